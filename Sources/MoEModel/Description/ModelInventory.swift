import Checkpoints
import Kernels
import Tensors

/// What a checkpoint is made of, from its headers alone.
package final class ModelInventory: WeightAllocator {
  package enum Part: String, Sendable, CaseIterable {
    case embedding, attention, router, norms, head
    case denseFeedForward = "dense feed-forward"
    case sharedExperts = "shared experts"
    case routedExperts = "routed experts"
  }
  package struct Amount: Sendable, Equatable {
    package var parameters = 0
    package var bytes = 0
  }

  private let description: DecoderDescription
  package private(set) var parts: [Part: Amount] = [:]
  package private(set) var bytesByType: [ElementType: Int] = [:]

  /// Walks the whole model; throws on the first tensor that is missing or has the wrong shape.
  package init(_ description: DecoderDescription, folder: CheckpointFolder) throws {
    self.description = description
    let tensors = CheckpointTensors(folder: folder, description: description, workerCount: 1)
    _ = try ModelAssembly(description: description, tensors: tensors, allocator: self, owns: { _, _ in true }).model()
  }

  package var total: Amount {
    parts.values.reduce(into: Amount()) { sum, amount in
      sum.parameters += amount.parameters
      sum.bytes += amount.bytes
    }
  }

  /// What one token makes use of: everything but the embedding (of which it reads one row, unless the head is tied to it)
  /// and the experts it did not choose.
  package var active: Amount {
    var amount = total
    if !description.tiedEmbeddings, let embedding = parts[.embedding] {
      amount.parameters -= embedding.parameters
      amount.bytes -= embedding.bytes
    }
    if let mixture = description.mixture, let routed = parts[.routedExperts] {
      amount.parameters -= routed.parameters - routed.parameters / mixture.expertCount * mixture.topK
      amount.bytes -= routed.bytes - routed.bytes / mixture.expertCount * mixture.topK
    }
    return amount
  }

  /// Bytes every token needs, whichever experts it chooses.
  package var bytesWithoutExperts: Int {
    active.bytes - oneExpert.bytes * (description.mixture?.topK ?? 0) * description.mixtureLayers.count
  }

  /// Parameters and bytes of one expert of one layer.
  package var oneExpert: Amount {
    guard let mixture = description.mixture, let routed = parts[.routedExperts] else { return Amount() }
    let count = mixture.expertCount * description.mixtureLayers.count
    return Amount(parameters: routed.parameters / count, bytes: routed.bytes / count)
  }

  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix {
    add(source.entry, parameters: source.elementCount, bytes: source.storedByteCount)
    for scales in source.storedScales { add(scales.entry, parameters: 0, bytes: scales.byteCount) }
    if let bias { _ = try vector(bias) }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: nil, bounds: source.bounds, shards: [nil])
  }

  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    add(source.entry, parameters: source.count, bytes: source.count * source.entry.type.byteCount)
    return Self.empty
  }

  private static let empty = AlignedBuffer<Float>(count: 1)

  private func add(_ entry: TensorEntry, parameters: Int, bytes: Int) {
    let part = part(of: entry.name)
    parts[part, default: Amount()].parameters += parameters
    parts[part, default: Amount()].bytes += bytes
    bytesByType[entry.type, default: 0] += bytes
  }

  private func part(of name: String) -> Part {
    if name == TensorNaming.embedding { return .embedding }
    if name == TensorNaming.head { return .head }
    if name.contains("norm.") { return .norms }
    if name.contains(".self_attn.") { return .attention }
    if name.contains(".experts.") { return .routedExperts }
    if name.contains(".\(description.naming.sharedExpert)") { return .sharedExperts }
    if name.contains(".\(description.naming.mixtureBlock).\(description.naming.router).") { return .router }
    return .denseFeedForward
  }
}
