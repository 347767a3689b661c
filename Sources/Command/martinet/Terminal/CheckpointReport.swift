import Checkpoints
import JSON
import Kernels
import MoEModel
import ModelRuntime
import Reports
import Tensors

/// What `martinet inspect` prints of a checkpoint.
struct CheckpointReport {
  let description: DecoderDescription
  let inventory: ModelInventory
  let shares: [RankShare]
  let checkpoint: any Checkpoint
  /// Multi-token prediction layers that are not counted.
  let leftOut: Int

  private var format: String { CheckpointFormat.format(of: checkpoint.path).name }

  private func cacheBytes(_ type: CacheType) -> Int {
    KeyValueCache.blockByteCount(description, type: type) / KeyValueCache.blockTokens
  }

  private var attentionName: String {
    // One for each kind there is, in the order of the layers.
    let kinds = description.layers.map { Self.name($0.attention) }
    return kinds.indices.filter { kinds.firstIndex(of: kinds[$0]) == $0 }.map { kinds[$0] }.joined(separator: "; ")
  }

  private static func name(_ attention: AttentionDescription) -> String {
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

  var lines: [String] {
    let size = Figures.size
    func count(_ parameters: Int) -> String { Self.count(parameters) }
    let (total, active) = (inventory.total, inventory.active)
    let ratio = Figures.decimals(100 * Double(active.parameters) / Double(max(total.parameters, 1)), 1)
    var lines = [
      """
      architecture   \(description.family): \(description.layerCount) layers, hidden \(description.hiddenSize), \
      vocabulary \(description.vocabularySize), context \(description.maximumPositions)
      """,
      "attention      \(attentionName)",
    ]
    if case .hyper(let hyper) = description.residual {
      lines.append("residual       \(hyper.streams) streams, mixed by hyper-connections")
    }
    if let moe = description.moe {
      let shared = moe.sharedIntermediateSize.map { ", shared expert of \($0)" } ?? ""
      lines.append(
        """
        experts        \(moe.expertCount) in each of \(description.moeLayers.count) layers, \
        \(moe.topK) chosen by a token, intermediate \(moe.expertIntermediateSize)\(shared)
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
      \(format):
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
        drafts         \(blocks.blockSize) tokens at once by \(description.predictionLayerCount) multi-token \
        prediction layer(s), counted as so many more
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
      cache          \(size(cacheBytes(.f32))) per token (f32), \
      \(size(cacheBytes(.bf16))) with --kv-cache bf16, \(size(cacheBytes(.q8))) with q8
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

  var json: JSONValue {
    let (total, active) = (inventory.total, inventory.active)
    let parts = ModelInventory.Part.allCases.compactMap { part -> (String, JSONValue)? in
      guard let amount = inventory.parts[part] else { return nil }
      return (part.rawValue, ["parameters": .int(amount.parameters), "bytes": .int(amount.bytes)])
    }
    return [
      "format": .string(format), "architecture": .string(description.family),
      "layers": .int(description.layerCount),
      "hidden_size": .int(description.hiddenSize), "vocabulary_size": .int(description.vocabularySize),
      "maximum_positions": .int(description.maximumPositions), "attention": .string(attentionName),
      "expert_layers": .int(description.moeLayers.count),
      "experts_per_layer": .int(description.moe?.expertCount ?? 0),
      "experts_per_token": .int(description.moe?.topK ?? 0),
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
      "cache_bytes_per_token": .int(cacheBytes(.f32)),
      "cache_bytes_per_token_bf16": .int(cacheBytes(.bf16)),
      "cache_bytes_per_token_q8": .int(cacheBytes(.q8)),
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
