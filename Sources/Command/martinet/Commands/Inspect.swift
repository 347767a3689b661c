import ArgumentParser
import Checkpoints
import ExpertParallelism
import Inference
import JSON
import Kernels
import MoEModel
import Reports

/// `martinet inspect`: what is in a checkpoint, from its headers.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "What a checkpoint holds, and what each rank would hold of it; reads headers only.")

  @Argument(
    help: ArgumentHelp(
      "The checkpoint's folder, or its GGUF file. (default: the demonstration model's)", valueName: "dir"))
  var folder: String?

  @Option(parsing: .unconditional, help: ArgumentHelp("Also show what each of n ranks would hold.", valueName: "n"))
  var ranks: Int?

  @Flag(help: "One JSON object.")
  var json = false

  func validate() throws {
    if let ranks, !(1...65536).contains(ranks) { throw ValidationError("--ranks \(ranks) is not between 1 and 65536") }
  }

  func run() throws {
    try withRanks { communicator in
      guard communicator.isRoot else { return }
      do { try report() } catch { throw ToldFailure(error: error) }
    }
  }

  private func report() throws {
    var options = ModelOptions()
    options.model = folder
    let checkpoint = try CheckpointFormat.open(try options.folder())
    let description = try ModelConfiguration.read(checkpoint)
    let inventory = try ModelInventory(description, checkpoint: checkpoint)
    let shares = try ranks.map { try Self.shares(description, checkpoint, ranks: $0) } ?? []
    if json {
      show(Self.json(description, inventory, shares, checkpoint).text())
    } else {
      for line in Self.lines(description, inventory, shares, checkpoint) { show(line) }
    }
  }

  /// Ranks that hold the same number of experts of each layer, and what they hold.
  struct Share {
    var ranks: ClosedRange<Int>
    var experts: Int
    var memoryBytes: Int
    var storedBytes: Int
  }

  private static func shares(_ description: DecoderDescription, _ checkpoint: any Checkpoint, ranks: Int) throws
    -> [Share]
  {
    let placement = ExpertPlacement(expertCount: description.mixture?.expertCount ?? 0, rankCount: ranks)
    var counts = Array(repeating: 0, count: ranks)
    for owner in placement.owners { counts[owner.index] += 1 }
    var measured: [Int: Share] = [:]
    var shares: [Share] = []
    for rank in 0..<ranks {
      let count = counts[rank]
      if measured[count] == nil {
        let budget = try WeightBudget.measure(description, checkpoint: checkpoint, workerCount: 1) { _, expert in
          placement.owners[expert].index == rank
        }
        measured[count] = Share(
          ranks: rank...rank, experts: count, memoryBytes: budget.memoryBytes, storedBytes: budget.storedBytes)
      }
      if let last = shares.last, last.experts == count {
        shares[shares.count - 1].ranks = last.ranks.lowerBound...rank
      } else {
        var share = measured[count]!
        share.ranks = rank...rank
        shares.append(share)
      }
    }
    return shares
  }

  private static func format(of checkpoint: any Checkpoint) -> String {
    CheckpointFormat.format(of: checkpoint.path).name
  }

  private static func cacheBytes(_ description: DecoderDescription, _ type: CacheType) -> Int {
    KeyValueCache.blockByteCount(description, type: type) / KeyValueCache.blockTokens
  }

  private static func attentionName(_ description: DecoderDescription) -> String {
    // One for each kind there is, in the order of the layers.
    let kinds = description.layers.map { attentionName($0.attention) }
    return kinds.indices.filter { kinds.firstIndex(of: kinds[$0]) == $0 }.map { kinds[$0] }.joined(separator: "; ")
  }

  private static func attentionName(_ attention: AttentionDescription) -> String {
    switch attention {
    case .latent(let latent):
      "multi-head latent, \(latent.headCount) heads, latent of \(latent.latentRank) + \(latent.rotaryDims) rotary"
    case .grouped(let grouped):
      "grouped, \(grouped.headCount) query and \(grouped.keyValueHeadCount) key-value heads of \(grouped.headDims)"
    }
  }

  private static func lines(
    _ description: DecoderDescription, _ inventory: ModelInventory, _ shares: [Share], _ checkpoint: any Checkpoint
  ) -> [String] {
    let size = Figures.size
    func count(_ parameters: Int) -> String { Self.count(parameters) }
    let (total, active) = (inventory.total, inventory.active)
    let ratio = Figures.decimals(100 * Double(active.parameters) / Double(max(total.parameters, 1)), 1)
    var lines = [
      "architecture   \(description.family): \(description.layerCount) layers, hidden \(description.hiddenSize), vocabulary \(description.vocabularySize), context \(description.maximumPositions)",
      "attention      \(attentionName(description))",
    ]
    if let mixture = description.mixture {
      let shared = mixture.sharedIntermediateSize.map { ", shared expert of \($0)" } ?? ""
      lines.append(
        "experts        \(mixture.expertCount) in each of \(description.mixtureLayers.count) layers, \(mixture.topK) chosen by a token, intermediate \(mixture.expertIntermediateSize)\(shared)"
      )
      lines.append(
        "one expert     \(count(inventory.oneExpert.parameters)) parameters, \(size(inventory.oneExpert.bytes))")
    } else {
      lines.append("experts        none: a dense model")
    }
    lines.append(
      "parameters     \(count(total.parameters)) in all, \(count(active.parameters)) active per token (\(ratio) %)")
    lines.append(
      "stored         \(size(total.bytes)) in \(Figures.count(checkpoint.fileCount, "file")), \(format(of: checkpoint)): "
        + inventory.bytesByType.sorted { $0.value > $1.value }.map { type, bytes in
          let share = Figures.decimals(100 * Double(bytes) / Double(max(total.bytes, 1)), 1)
          return "\(type.rawValue) \(size(bytes)) (\(share) %)"
        }.joined(separator: ", "))
    for part in ModelInventory.Part.allCases {
      guard let amount = inventory.parts[part], amount.parameters > 0 else { continue }
      let name = part.rawValue.padding(to: 18)
      lines.append("  \(name)\(count(amount.parameters).padding(to: 12))\(size(amount.bytes))")
    }
    if description.predictionLayerCount > 0 {
      lines.append("left out       \(description.predictionLayerCount) multi-token prediction layer(s)")
    }
    if let unread = description.unreadNote { lines.append("note           \(unread)") }
    lines.append(
      "cache          \(size(cacheBytes(description, .f32))) per token (f32), \(size(cacheBytes(description, .bf16))) with --kv-cache bf16"
    )
    for share in shares {
      let ranks =
        share.ranks.count == 1
        ? "rank \(share.ranks.lowerBound)" : "ranks \(share.ranks.lowerBound)–\(share.ranks.upperBound)"
      lines.append(
        "\(ranks.padding(to: 15))\(share.experts) experts a layer; \(size(share.memoryBytes)) of memory each, \(size(share.storedBytes)) read"
      )
    }
    return lines
  }

  private static func count(_ parameters: Int) -> String {
    let value = Double(parameters)
    switch parameters {
    // As models are named: 671 B, 37 B.
    case 10_000_000_000...: return "\(Figures.decimals(value / 1e9, 0)) B"
    case 1_000_000_000...: return "\(Figures.decimals(value / 1e9, 2)) B"
    case 1_000_000...: return "\(Figures.decimals(value / 1e6, 2)) M"
    case 1_000...: return "\(Figures.decimals(value / 1e3, 1)) k"
    default: return "\(parameters)"
    }
  }

  private static func json(
    _ description: DecoderDescription, _ inventory: ModelInventory, _ shares: [Share], _ checkpoint: any Checkpoint
  ) -> JSONValue {
    let (total, active) = (inventory.total, inventory.active)
    let parts = ModelInventory.Part.allCases.compactMap { part -> (String, JSONValue)? in
      guard let amount = inventory.parts[part] else { return nil }
      return (part.rawValue, ["parameters": .int(amount.parameters), "bytes": .int(amount.bytes)])
    }
    return [
      "format": .string(format(of: checkpoint)), "architecture": .string(description.family),
      "layers": .int(description.layerCount),
      "hidden_size": .int(description.hiddenSize), "vocabulary_size": .int(description.vocabularySize),
      "maximum_positions": .int(description.maximumPositions), "attention": .string(attentionName(description)),
      "expert_layers": .int(description.mixtureLayers.count),
      "experts_per_layer": .int(description.mixture?.expertCount ?? 0),
      "experts_per_token": .int(description.mixture?.topK ?? 0),
      "total_parameters": .int(total.parameters), "active_parameters": .int(active.parameters),
      "active_ratio": .double(Double(active.parameters) / Double(max(total.parameters, 1))),
      "total_bytes": .int(total.bytes), "active_bytes": .int(active.bytes),
      "bytes_by_type": .object(
        JSONObject(
          inventory.bytesByType.sorted { $0.key.rawValue < $1.key.rawValue }.map { ($0.key.rawValue, .int($0.value)) })),
      "parts": .object(JSONObject(parts)), "files": .int(checkpoint.fileCount),
      "prediction_layers_left_out": .int(description.predictionLayerCount),
      "unread_settings": .array(description.unreadSettings.map { .string($0) }),
      "unread_tensors": .array(description.unreadTensors.map { .string($0) }),
      "cache_bytes_per_token": .int(cacheBytes(description, .f32)),
      "cache_bytes_per_token_bf16": .int(cacheBytes(description, .bf16)),
      "ranks": .array(
        shares.flatMap { share in
          share.ranks.map {
            [
              "rank": .int($0), "experts_per_layer": .int(share.experts), "memory_bytes": .int(share.memoryBytes),
              "read_bytes": .int(share.storedBytes),
            ] as JSONValue
          }
        }),
    ]
  }
}

extension String {
  /// The string followed by blanks up to `width` characters, at least one.
  func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
