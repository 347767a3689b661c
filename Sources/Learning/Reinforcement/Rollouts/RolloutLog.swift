import Bytes
import Checkpoints
import Glibc
import JSON

/// What has been sampled in a step under way, on the disk: a training that is stopped or killed goes on from the tokens
/// it has, so that long completions are no rarer among those that count than short ones. A file for each round of the
/// step, in it a line for each stretch of tokens; a line that is not whole is the end.
package final class RolloutLog {
  private static let byteLimit = 1 << 30
  private static let rounds = 0..<PolicySettings.mostRounds
  /// How much is sampled anew at most.
  private static let interval = Duration.seconds(10)

  private let folder: String
  private var key = ""
  private var step = 0
  private var round = 0
  /// The file is of a step still to come: the training was stopped in it, and goes on from an earlier checkpoint.
  private var isAhead = false
  /// What all completions are sampled by.
  private var digest = ""
  /// Tokens of each completion that the file has.
  private var written: [Int] = []
  private(set) var hasBegun = false
  private var last = ContinuousClock.now

  /// In a training's folder; on rank 0.
  package init(folder: String) { self.folder = folder }

  private func path(_ round: Int) -> String { "\(folder)/rollout-\(round).jsonl" }

  /// Begins a round of a step. `key` is the same for the same model, settings and seed.
  package func open(step: Int, round: Int = 0, key: String) {
    (self.step, self.round, self.key) = (step, round, key)
    (written, hasBegun, isAhead, last) = ([], false, false, .now)
  }

  /// The completions of some requests as far as they are known, from an earlier run.
  func begin(_ requests: [RolloutRequest], stopTokens: Set<Int32>, vocabularySize: Int) -> [Completion] {
    digest = Self.digest(of: requests, stopTokens)
    written = Array(repeating: 0, count: requests.count)
    let nothing = Array(repeating: Completion(), count: requests.count)
    guard let bytes = try? InputFile(path: path(round)).contents(limit: Self.byteLimit) else { return nothing }
    var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: true)[...]
    guard let head = lines.popFirst().flatMap({ try? JSONValue(parsing: $0) }), let number = head["step"]?.exactInt
    else { return nothing }
    isAhead = number > step
    guard number == step, head["key"]?.string == key, head["requests"]?.string == digest else { return nothing }
    var found = nothing
    for line in lines { guard Self.read(line, into: &found) else { break } }
    for i in found.indices
    where !Self.isPossible(found[i], requests[i], stopTokens: stopTokens, vocabularySize: vocabularySize) {
      found[i] = Completion()
    }
    return found
  }

  private static func read(_ line: ArraySlice<UInt8>, into found: inout [Completion]) -> Bool {
    guard let value = try? JSONValue(parsing: line), let place = value["i"]?.exactInt, found.indices.contains(place),
      value["at"]?.exactInt == found[place].tokens.count, let tokens = value["tokens"]?.array?.map(\.exactInt),
      let bits = value["logprobs"]?.array?.map(\.exactInt), bits.count == tokens.count
    else { return false }
    var (ids, logprobs): ([Int32], [Float]) = ([], [])
    for case (let id, let bits) in zip(tokens, bits) {
      guard let id = id.flatMap({ Int32(exactly: $0) }), id >= 0, let bits = bits.flatMap({ UInt32(exactly: $0) })
      else { return false }
      ids.append(id)
      logprobs.append(Float(bitPattern: bits))
    }
    found[place].tokens += ids
    found[place].logprobs += logprobs
    found[place].isCut = value["cut"]?.bool == true
    return true
  }

  /// Whether the engine could have sampled it.
  private static func isPossible(
    _ completion: Completion, _ request: RolloutRequest, stopTokens: Set<Int32>, vocabularySize: Int
  ) -> Bool {
    let tokens = completion.tokens
    return tokens.count <= request.maxNewTokens && tokens.allSatisfy { Int($0) < vocabularySize }
      && !tokens.dropLast().contains(where: stopTokens.contains) && completion.logprobs.allSatisfy(\.isFinite)
      && (!completion.isCut || tokens.count == request.maxNewTokens)
  }

  /// A hash of all that decides about what is sampled, but for the model.
  private static func digest(of requests: [RolloutRequest], _ stopTokens: Set<Int32>) -> String {
    var hash = FNV1a()
    for token in stopTokens.sorted() { hash.add(UInt64(UInt32(bitPattern: token))) }
    for request in requests {
      hash.add(UInt64(request.prompt.count))
      for token in request.prompt { hash.add(UInt64(UInt32(bitPattern: token))) }
      hash.add(UInt64(request.maxNewTokens))
      hash.add(UInt64(request.temperature.bitPattern))
      hash.add(request.seed)
    }
    return Digits.hexadecimal(hash.value)
  }

  func writeSometimes(_ completions: [Completion]) throws {
    guard ContinuousClock.now - last >= Self.interval else { return }
    try write(completions)
  }

  /// Adds what is new; the first time it replaces what there is.
  func write(_ completions: [Completion]) throws {
    guard !isAhead, written.count == completions.count else { return }
    var text = ""
    for (i, completion) in completions.enumerated() where completion.tokens.count > written[i] {
      let new = written[i]...
      let line: JSONValue = [
        "i": .int(i), "at": .int(written[i]), "tokens": .array(completion.tokens[new].map { .int(Int($0)) }),
        "logprobs": .array(completion.logprobs[new].map { .int(Int($0.bitPattern)) }), "cut": .bool(completion.isCut),
      ]
      text += line.text() + "\n"
      written[i] = completion.tokens.count
    }
    last = .now
    guard !text.isEmpty else { return }
    if hasBegun { return try append(text, to: path(round), mode: "a") }
    let head: JSONValue = [
      "step": .int(step), "key": .string(key), "requests": .string(digest), "count": .int(completions.count),
    ]
    let partial = path(round) + ".partial"
    try append(head.text() + "\n" + text, to: partial, mode: "w")
    guard rename(partial, path(round)) == 0 else { throw RolloutLogError(path: path(round), code: errno) }
    hasBegun = true
  }

  private func append(_ text: String, to path: String, mode: String) throws {
    guard let file = fopen(path, mode) else { throw RolloutLogError(path: path, code: errno) }
    let isWritten = text.utf8.withContiguousStorageIfAvailable { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    let code = errno
    guard fclose(file) == 0, isWritten == true else { throw RolloutLogError(path: path, code: code) }
  }

  /// The step is done: what was kept of it and of those before it goes.
  package func close() {
    for round in Self.rounds where access(path(round), F_OK) == 0 {
      let head = (try? InputFile(path: path(round)).contents(limit: Self.byteLimit))?.split(separator: 0x0A).first
      let number = head.flatMap { try? JSONValue(parsing: $0) }?["step"]?.exactInt
      if (number ?? 0) <= step { unlink(path(round)) }
    }
  }
}

/// What was sampled cannot be kept.
struct RolloutLogError: Error, CustomStringConvertible {
  let path: String
  let code: Int32

  var description: String {
    """
    what was sampled cannot be written to \(path): \(String(cString: strerror(code))); make room there, and go on \
    with --resume
    """
  }
}
