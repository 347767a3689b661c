import Checkpoints
import JSON
import Kernels
import Tensors

/// The tensors a checkpoint of some description must have: found by loading one that does not exist, so that the
/// loader's names and shapes are the only list there is.
package final class CheckpointPlan: TensorCatalog, WeightAllocator {
  private let type: ElementType
  /// In the order in which the model asks for them; the experts' names are those of the published layout.
  package private(set) var tensors: [TensorEntry] = []
  private var positions: [ExactString: Int] = [:]
  package private(set) var byteCount = 0
  package private(set) var parameterCount = 0

  /// `type`: of all tensors but the routers' selection bias, which is published in F32.
  ///
  /// Throws for descriptions with quantised weights, and for more tensors or bytes than a checkpoint can have.
  package init(_ description: DecoderDescription, type: ElementType) throws {
    self.type = type
    guard description.quantization == .none else {
      throw ModelError.unsupported(
        key: "quantization_config", value: "\(description.quantization)", remedy: "plan the unquantised checkpoint")
    }
    let tensors = CheckpointTensors(folder: self, description: description, workerCount: 1)
    _ = try ModelAssembly(description: description, tensors: tensors, allocator: self, owns: { _, _ in true }).model()
  }

  /// Takes what is asked for into the plan.
  package func tensor(_ name: String, expectedShape shape: [Int]) throws -> TensorEntry? {
    if let known = positions[ExactString(name)] { return tensors[known] }
    let type: ElementType = name.hasSuffix(".e_score_correction_bias") ? .float32 : type
    let limit = CheckpointLimits()
    guard tensors.count < limit.tensorCount, let bytes = TensorEntry.byteCount(of: shape, type),
      bytes <= limit.fileByteCount, byteCount + bytes <= limit.fileByteCount
    else {
      throw ModelError.inconsistent(
        "the model has more than \(limit.tensorCount) tensors or \(limit.fileByteCount >> 40) TiB, counted up to \(name.debugDescription)"
      )
    }
    let entry = TensorEntry(
      name: name, type: type, shape: shape, fileIndex: 0, byteOffset: byteCount, byteCount: bytes)
    positions[ExactString(name)] = tensors.count
    tensors.append(entry)
    byteCount += bytes
    parameterCount += entry.elementCount
    return entry
  }

  package func holds(_ name: String) -> Bool { positions[ExactString(name)] != nil }

  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix {
    PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: nil,
      bounds: source.bounds, shards: [nil])
  }

  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> { Self.empty }

  private static let empty = AlignedBuffer<Float>(count: 1)
}
