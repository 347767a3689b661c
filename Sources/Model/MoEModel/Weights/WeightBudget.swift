import Checkpoints
import Kernels
import Tensors

/// What a rank's weights cost, found by walking the model without reading or reserving anything.
package final class WeightBudget: WeightAllocator {
  /// Bytes of panels by worker.
  package private(set) var bytesByWorker: [Int]
  /// Bytes of norms, biases and other small vectors.
  package private(set) var vectorBytes = 0
  /// Bytes of the checkpoint to be read.
  package private(set) var storedBytes = 0
  package private(set) var elementCount = 0
  /// Stored bytes by element type.
  package private(set) var storedBytesByType: [ElementType: Int] = [:]

  init(workerCount: Int) { bytesByWorker = Array(repeating: 0, count: workerCount) }

  package var memoryBytes: Int { bytesByWorker.reduce(0, +) + vectorBytes }

  /// Walks all that one rank of `workerCount` workers would hold; throws on the first tensor that is missing or does not fit.
  package static func measure(
    _ description: DecoderDescription, folder: CheckpointFolder, workerCount: Int, owns: @escaping (Int, Int) -> Bool
  ) throws -> WeightBudget {
    let budget = WeightBudget(workerCount: workerCount)
    let tensors = CheckpointTensors(folder: folder, description: description, workerCount: workerCount)
    _ = try ModelAssembly(description: description, tensors: tensors, allocator: budget, owns: owns).model()
    return budget
  }

  func matrix(_ source: MatrixSource, bias: VectorSource?) throws -> PackedMatrix {
    for worker in bytesByWorker.indices { bytesByWorker[worker] += source.byteCount(worker: worker) }
    count(source.entry.type, elements: source.elementCount, bytes: source.storedByteCount)
    for scales in source.storedScales { count(scales.entry.type, elements: 0, bytes: scales.byteCount) }
    if let bias { _ = try vector(bias) }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: nil,
      bounds: source.bounds,
      shards: Array(repeating: nil, count: bytesByWorker.count))
  }

  func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    vectorBytes += source.count * 4
    count(source.entry.type, elements: source.count, bytes: source.count * source.entry.type.byteCount)
    return Self.empty
  }

  private static let empty = AlignedBuffer<Float>(count: 1)

  private func count(_ type: ElementType, elements: Int, bytes: Int) {
    elementCount += elements
    storedBytes += bytes
    storedBytesByType[type, default: 0] += bytes
  }
}
