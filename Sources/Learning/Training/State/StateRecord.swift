import Bytes
import Checkpoints
import JSON

/// What a training's state is, beside its tensors: `state.json`.
package struct StateRecord: Sendable, Equatable {
  static let fileName = "state.json"
  private static let format = "martinet training state"
  static let version = 1
  private static let byteLimit = 64 << 20

  /// Steps done.
  package var step: Int
  package var seed: UInt64
  /// Sequences taken: where in the order of the data the next step begins.
  package var position: Int
  /// Tokens predicted so far.
  package var tokenCount: Int
  package var optimizer: OptimizerKind
  /// `TrainingData.fingerprint`.
  package var dataFingerprint: [UInt8]
  /// Settings, schedules and whatever else the trainer wants back, such as the experts' loads.
  package var recipe: JSONValue
  /// The model's settings, as in `config.json`.
  package var config: JSONValue
  /// What the training remembers of its last steps; null in records that were written before there was any.
  package var memory = JSONValue.null
  /// Names of the files that hold the tensors.
  var shards: [String] = []
  /// SHA-256 of the table of the tensors' sums.
  var sumsDigest: [UInt8] = []

  package init(
    step: Int, seed: UInt64, position: Int, tokenCount: Int, optimizer: OptimizerKind, dataFingerprint: [UInt8],
    recipe: JSONValue, config: JSONValue
  ) {
    (self.step, self.seed, self.position, self.tokenCount) = (step, seed, position, tokenCount)
    (self.optimizer, self.dataFingerprint) = (optimizer, dataFingerprint)
    (self.recipe, self.config) = (recipe, config)
  }

  /// The file's content: the state, and the digest of its text, by which damage is found.
  var json: JSONValue {
    let state: JSONValue = [
      "step": .int(step), "seed": .string("\(seed)"), "position": .int(position), "tokens": .int(tokenCount),
      "optimizer": .string(optimizer.rawValue), "data": .string(Digits.hexadecimal(dataFingerprint)), "recipe": recipe,
      "config": config, "memory": memory, "shards": .array(shards.map { .string($0) }),
      "sums": .string(Digits.hexadecimal(sumsDigest)),
    ]
    return [
      "format": .string(Self.format), "version": .int(Self.version), "digest": .string(Self.digest(of: state)),
      "state": state,
    ]
  }

  /// Reads what `json` wrote; a byte that was changed is an error.
  init(path: String) throws {
    let bytes = try InputFile(path: path).contents(limit: Self.byteLimit)
    func damaged(_ reason: String) -> StateError { .damagedRecord(path: path, reason: reason) }
    let value: JSONValue
    do throws(JSONError) { value = try JSONValue(parsing: bytes, limits: JSONLimits(byteCount: Self.byteLimit)) } catch
    {
      throw damaged("\(error)")
    }
    guard value["format"]?.string == Self.format else { throw damaged("it is no training's state") }
    guard let version = value["version"]?.exactInt, version == Self.version else {
      throw StateError.otherVersion(path: path, version: value["version"]?.text() ?? "unknown")
    }
    guard let state = value["state"], value["digest"]?.string == Self.digest(of: state) else {
      throw damaged("its digest is not that of its content")
    }
    guard let step = state["step"]?.exactInt, let seed = state["seed"]?.string.flatMap({ UInt64($0) }),
      let position = state["position"]?.exactInt, let tokens = state["tokens"]?.exactInt,
      let optimizer = state["optimizer"]?.string.flatMap(OptimizerKind.init),
      let data = Self.bytes(state["data"]), let recipe = state["recipe"], let config = state["config"],
      let shards = state["shards"]?.array?.map(\.string), let sums = Self.bytes(state["sums"])
    else { throw damaged("a member is missing or of another kind") }
    self.init(
      step: step, seed: seed, position: position, tokenCount: tokens, optimizer: optimizer, dataFingerprint: data,
      recipe: recipe, config: config)
    for case let shard in shards {
      guard let shard, !shard.isEmpty, !shard.contains("/"), shard.hasSuffix(".safetensors") else {
        throw damaged("a shard has no name of a file")
      }
      self.shards.append(shard)
    }
    (memory, sumsDigest) = (state["memory"] ?? .null, sums)
    guard step >= 0, position >= 0, tokens >= 0 else { throw damaged("a count is negative") }
  }

  private static func digest(of state: JSONValue) -> String {
    Digits.hexadecimal(SHA256.digest(Array(state.text().utf8)))
  }

  private static func bytes(_ digest: JSONValue?) -> [UInt8]? {
    digest?.string.flatMap { Digits.bytes(hexadecimal: $0.utf8) }
  }
}
