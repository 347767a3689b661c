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
    /// As stored.
    package var bytes = 0
    /// In memory, in the precision asked for.
    package var heldBytes = 0

    static func - (a: Amount, b: Amount) -> Amount {
      Amount(parameters: a.parameters - b.parameters, bytes: a.bytes - b.bytes, heldBytes: a.heldBytes - b.heldBytes)
    }
    static func + (a: Amount, b: Amount) -> Amount {
      Amount(parameters: a.parameters + b.parameters, bytes: a.bytes + b.bytes, heldBytes: a.heldBytes + b.heldBytes)
    }
    static func * (a: Amount, count: Int) -> Amount {
      Amount(parameters: a.parameters * count, bytes: a.bytes * count, heldBytes: a.heldBytes * count)
    }
    static func / (a: Amount, count: Int) -> Amount {
      Amount(parameters: a.parameters / count, bytes: a.bytes / count, heldBytes: a.heldBytes / count)
    }
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

  package var total: Amount { parts.values.reduce(Amount(), +) }

  /// What one token makes use of: everything but the embedding (of which it reads one row, unless the head is tied to
  /// it) and the experts it did not choose.
  package var active: Amount {
    withoutExperts + oneExpert * (description.mixture?.topK ?? 0) * description.mixtureLayers.count
  }

  /// What every token needs, whichever experts it chooses.
  package var withoutExperts: Amount {
    let embedding = description.tiedEmbeddings ? nil : parts[.embedding]
    return total - (embedding ?? Amount()) - (parts[.routedExperts] ?? Amount())
  }

  /// One expert of one layer.
  package var oneExpert: Amount {
    guard let mixture = description.mixture, let routed = parts[.routedExperts] else { return Amount() }
    return routed / (mixture.expertCount * description.mixtureLayers.count)
  }

  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix {
    add(
      source.entry, parameters: source.elementCount, bytes: source.storedByteCount,
      heldBytes: source.byteCount(worker: 0))
    for scales in source.storedScales { add(scales.entry, parameters: 0, bytes: scales.byteCount, heldBytes: 0) }
    if let bias { _ = try vector(bias) }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: nil,
      bounds: source.bounds, shards: [nil])
  }

  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    add(
      source.entry, parameters: source.count, bytes: source.count * source.entry.type.byteCount,
      heldBytes: source.count * 4)
    return Self.empty
  }

  private static let empty = AlignedBuffer<Float>(count: 1)

  private func add(_ entry: TensorEntry, parameters: Int, bytes: Int, heldBytes: Int) {
    let part = part(of: entry.name)
    parts[part, default: Amount()].parameters += parameters
    parts[part, default: Amount()].bytes += bytes
    parts[part, default: Amount()].heldBytes += heldBytes
    bytesByType[entry.type, default: 0] += bytes
  }

  private func part(of name: String) -> Part {
    if TensorNaming.embedding.hasSuffix(name) { return .embedding }
    if name == TensorNaming.head { return .head }
    if name.contains("norm.") { return .norms }
    if name.contains(".self_attn.") { return .attention }
    if name.contains(".experts.") { return .routedExperts }
    if name.contains(".\(description.naming.sharedExpert)") { return .sharedExperts }
    if name.contains(".\(description.naming.mixtureBlock).\(description.naming.router).") { return .router }
    return .denseFeedForward
  }
}
