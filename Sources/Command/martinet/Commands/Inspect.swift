import ArgumentParser
import Checkpoints
import ExpertParallelism
import Fabric
import Inference
import JSON
import Kernels
import MoEModel
import ModelRuntime
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

  @Option(
    help: ArgumentHelp(
      "Count the multi-token prediction layer, too, where this loads it.", valueName: "off|auto|mtp|lookup"))
  var speculate = SpeculationMode.off

  @Option(
    help: ArgumentHelp(
      "Which rank would hold which experts, instead of as many on each; its number of ranks is that of --ranks.",
      valueName: "file.json"))
  var placement: String?

  @Option(
    help: ArgumentHelp(
      "With --ranks: how ranks would share what is no routed expert. Sliced, up to 64 ranks.",
      valueName: "spread|sliced"))
  var layout = RankLayout.spread

  @Flag(help: "One JSON object.")
  var json = false

  func validate() throws {
    try require("ranks", ranks, in: 1...65536)
    guard layout != .auto else {
      throw ValidationError("--layout auto is decided by what messages take: give spread or sliced")
    }
    if layout == .sliced, (ranks ?? 1) > Self.slicedLimit {
      throw ValidationError("--layout sliced: --ranks \(ranks ?? 1) is not between 1 and \(Self.slicedLimit)")
    }
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
    var description = try ModelConfiguration.read(checkpoint)
    var speculation = SpeculationOptions()
    speculation.mode = speculate
    let layersThere = description.predictionLayerCount
    if try speculation.loadsModule(of: description, in: checkpoint) { description = description.predicting() }
    let run = description.predicts ? description.predictionLayerCount : 0
    let leftOut = layersThere - run + description.outerPredictionLayerCount
    let inventory = try ModelInventory(description, checkpoint: checkpoint)
    let file = try placement.map { try PlacementOptions.read($0) }
    let shares =
      try (ranks ?? file?.placement.rankCount).map { ranks -> [Share] in
        if let file, let path = placement {
          try file.check(
            expertCount: description.mixture?.expertCount ?? 0, layers: description.mixtureLayers,
            module: description.layerCount, rankCount: ranks, path: path)
        }
        if layout == .sliced {
          return try slicedShares(description, checkpoint, ranks: ranks, placement: file?.placement)
        }
        return try Self.shares(description, checkpoint, ranks: ranks, placement: file?.placement)
      } ?? []
    if json {
      show(Self.json(description, inventory, shares, checkpoint, leftOut: leftOut).text())
    } else {
      for line in Self.lines(description, inventory, shares, checkpoint, leftOut: leftOut) { show(line) }
    }
  }

  /// Of each rank's slices a walk of all headers tells.
  private static let slicedLimit = 64

  /// What each rank would hold of a model of which it has a slice.
  private func slicedShares(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, ranks: Int, placement: ModelPlacement?
  ) throws -> [Share] {
    if let obstacle = description.slicingObstacle { throw RuntimeError.notSliceable(obstacle) }
    let (layers, expertCount) = (description.mixtureLayers, description.mixture?.expertCount ?? 0)
    var shares: [Share] = []
    for rank in 0..<ranks {
      let slice = ModelSlice(rank: rank, of: ranks, dividesExperts: placement == nil)
      let budget = try RankMemory.budget(
        description.sliced(slice), checkpoint, workerCount: 1,
        placement: placement ?? ModelPlacement(expertCount: expertCount, rankCount: ranks), rank: Rank(rank))
      let experts = placement?.expertCount(of: Rank(rank), layers: layers) ?? expertCount * layers.count
      let last = shares.last
      if let last, last.experts == experts, last.memoryBytes == budget.memoryBytes,
        last.storedBytes == budget.storedBytes
      {
        shares[shares.count - 1].ranks = last.ranks.lowerBound...rank
      } else {
        shares.append(
          Share(
            ranks: rank...rank, experts: experts, expertsPerLayer: placement == nil ? expertCount : nil,
            isSlice: placement == nil, memoryBytes: budget.memoryBytes, storedBytes: budget.storedBytes,
            sharedBytes: budget.sharedBytes))
      }
    }
    return shares
  }

  /// Ranks that hold the same number of experts, and what they hold.
  struct Share {
    var ranks: ClosedRange<Int>
    /// Of all layers together.
    var experts: Int
    /// Of each layer, where that is the same in all.
    var expertsPerLayer: Int?
    /// Whether it is a slice of each expert.
    var isSlice = false
    var memoryBytes: Int
    var storedBytes: Int
    /// Of the memory, what ranks on one NUMA node have in common.
    var sharedBytes: Int
  }

  private static func shares(
    _ description: DecoderDescription, _ checkpoint: any Checkpoint, ranks: Int, placement given: ModelPlacement?
  ) throws -> [Share] {
    let plain = ModelPlacement(expertCount: description.mixture?.expertCount ?? 0, rankCount: ranks)
    let (placement, layers) = (given ?? plain, description.mixtureLayers)
    let counts = (0..<ranks).map { placement.expertCount(of: Rank($0), layers: layers) }
    var measured: [Int: Share] = [:]
    var shares: [Share] = []
    for rank in 0..<ranks {
      let count = counts[rank]
      if measured[count] == nil {
        let budget = try RankMemory.budget(
          description, checkpoint, workerCount: 1, placement: placement, rank: Rank(rank))
        measured[count] = Share(
          ranks: rank...rank, experts: count, expertsPerLayer: given == nil ? count / max(1, layers.count) : nil,
          memoryBytes: budget.memoryBytes, storedBytes: budget.storedBytes, sharedBytes: budget.sharedBytes)
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
        + (latent.indexer.map { ", \(indexerName($0))" } ?? "")
    case .grouped(let grouped):
      """
      grouped, \(grouped.headCount) query and \(grouped.keyValueHeadCount) key-value heads of \
      \(grouped.headDims)\(grouped.hasGate ? ", gated" : "")
      """
    case .delta(let delta):
      """
      gated DeltaNet, \(delta.keyHeadCount) key heads of \(delta.keyDims) and \(delta.valueHeadCount) value heads \
      of \(delta.valueDims)
      """
    case .compressed(let compressed):
      "\(compressed.headCount) heads of \(compressed.headDims) over a window of \(compressed.window)"
        + (compressed.ratio.map { " and entries of \(Figures.count($0, "token"))" } ?? "")
        + (compressed.indexer.map { ", \(entryIndexerName($0))" } ?? "")
    }
  }

  private static func entryIndexerName(_ indexer: LightningIndexer) -> String {
    "\(indexer.topK) of them chosen by an indexer of \(indexer.headCount) heads of \(indexer.headDims)"
  }

  private static func indexerName(_ indexer: LightningIndexer) -> String {
    indexer.isShared
      ? "over the positions chosen in a layer before"
      : "over \(indexer.topK) positions chosen by an indexer of \(indexer.headCount) heads of \(indexer.headDims)"
  }

  private static func lines(
    _ description: DecoderDescription, _ inventory: ModelInventory, _ shares: [Share], _ checkpoint: any Checkpoint,
    leftOut: Int
  ) -> [String] {
    let size = Figures.size
    func count(_ parameters: Int) -> String { Self.count(parameters) }
    let (total, active) = (inventory.total, inventory.active)
    let ratio = Figures.decimals(100 * Double(active.parameters) / Double(max(total.parameters, 1)), 1)
    var lines = [
      """
      architecture   \(description.family): \(description.layerCount) layers, hidden \(description.hiddenSize), \
      vocabulary \(description.vocabularySize), context \(description.maximumPositions)
      """,
      "attention      \(attentionName(description))",
    ]
    if case .hyper(let hyper) = description.residual {
      lines.append("residual       \(hyper.streams) streams, mixed by hyper-connections")
    }
    if let mixture = description.mixture {
      let shared = mixture.sharedIntermediateSize.map { ", shared expert of \($0)" } ?? ""
      lines.append(
        """
        experts        \(mixture.expertCount) in each of \(description.mixtureLayers.count) layers, \
        \(mixture.topK) chosen by a token, intermediate \(mixture.expertIntermediateSize)\(shared)
        """
      )
      lines.append(
        "one expert     \(count(inventory.oneExpert.parameters)) parameters, \(size(inventory.oneExpert.bytes))")
    } else {
      lines.append("experts        none: a dense model")
    }
    lines.append(
      "parameters     \(count(total.parameters)) in all, \(count(active.parameters)) active per token (\(ratio) %)")
    lines.append(
      """
      stored         \(size(total.bytes)) in \(Figures.count(checkpoint.fileCount, "file")), \
      \(format(of: checkpoint)):
      """
        + " "
        + inventory.bytesByType.sorted { $0.value > $1.value }.map { type, bytes in
          let share = Figures.decimals(100 * Double(bytes) / Double(max(total.bytes, 1)), 1)
          return "\(type.rawValue) \(size(bytes)) (\(share) %)"
        }.joined(separator: ", "))
    for part in ModelInventory.Part.allCases {
      guard let amount = inventory.parts[part], amount.parameters > 0 else { continue }
      let name = part.rawValue.padding(to: 18)
      lines.append("  \(name)\(count(amount.parameters).padding(to: 12))\(size(amount.bytes))")
    }
    let byToken = description.layers.count(where: \.routesByToken)
    if byToken > 0 { lines.append("routing        in \(Figures.count(byToken, "layer")) by a table of tokens") }
    if description.predicts, let blocks = description.blockDrafting {
      lines.append(
        """
        drafts         \(blocks.blockSize) tokens at once by \(description.predictionLayerCount) multi-token prediction \
        layer(s), counted as so many more
        """
      )
    } else if description.predicts {
      lines.append("drafts         by 1 multi-token prediction layer, counted as one more")
    }
    if leftOut > 0 { lines.append("left out       \(leftOut) multi-token prediction layer(s)") }
    if let composite = description.compositeNote { lines.append("note           \(composite)") }
    if let rounding = description.roundingNote { lines.append("note           \(rounding)") }
    if let unread = description.unreadNote { lines.append("note           \(unread)") }
    lines.append(
      """
      cache          \(size(cacheBytes(description, .f32))) per token (f32), \
      \(size(cacheBytes(description, .bf16))) with --kv-cache bf16, \(size(cacheBytes(description, .q8))) with q8
      """
    )
    if description.isRecurrent {
      lines.append(
        "state          \(size(StateCache.slotByteCount(description))) per sequence, and for each prefix that is kept")
    }
    for share in shares {
      let ranks =
        share.ranks.count == 1
        ? "rank \(share.ranks.lowerBound)" : "ranks \(share.ranks.lowerBound)–\(share.ranks.upperBound)"
      let slices = share.isSlice ? "slices of " : ""
      let experts =
        share.expertsPerLayer.map { "\(slices)\($0) experts a layer" } ?? "\(share.experts) experts over all layers"
      lines.append(
        """
        \(ranks.padding(to: 15))\(experts); \(size(share.memoryBytes)) of memory each, \(size(share.storedBytes)) read
        """
      )
    }
    if let share = shares.first, share.sharedBytes > 0, shares.count > 1 || share.ranks.count > 1 {
      lines.append(
        """
        \("of that".padding(to: 15))\(size(share.sharedBytes)) is no expert: one copy for all ranks whose threads \
        are on one NUMA node
        """
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
    _ description: DecoderDescription, _ inventory: ModelInventory, _ shares: [Share], _ checkpoint: any Checkpoint,
    leftOut: Int
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
          inventory.bytesByType.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { ($0.key.rawValue, .int($0.value)) })),
      "parts": .object(JSONObject(parts)), "files": .int(checkpoint.fileCount),
      "prediction_layers_left_out": .int(leftOut),
      "unread_settings": .array(description.unreadSettings.map { .string($0) }),
      "unread_tensors": .array(description.unreadTensors.map { .string($0) }),
      "cache_bytes_per_token": .int(cacheBytes(description, .f32)),
      "cache_bytes_per_token_bf16": .int(cacheBytes(description, .bf16)),
      "cache_bytes_per_token_q8": .int(cacheBytes(description, .q8)),
      "state_bytes_per_sequence": .int(StateCache.slotByteCount(description)),
      "ranks": .array(
        shares.flatMap { share in
          share.ranks.map {
            [
              "rank": .int($0), "experts_per_layer": share.expertsPerLayer.map { .int($0) } ?? .null,
              "experts": .int(share.experts), "memory_bytes": .int(share.memoryBytes),
              "shared_memory_bytes": .int(share.sharedBytes), "read_bytes": .int(share.storedBytes),
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
