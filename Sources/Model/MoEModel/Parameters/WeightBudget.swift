import Checkpoints
import Tensors

/// What a rank's weights cost, from the table of parameters and the checkpoint's headers.
package struct WeightBudget {
  /// Bytes of panels by worker.
  package private(set) var bytesByWorker: [Int]
  /// Of these, those of what every rank holds: all but routed experts.
  package private(set) var sharedByWorker: [Int]
  /// Bytes of norms, biases and other small vectors.
  package private(set) var vectorBytes = 0
  /// Bytes of the checkpoint to be read.
  package private(set) var storedBytes = 0
  /// Of these, those of matrices that ranks of one host can have in common.
  package private(set) var sharedStoredBytes = 0
  package private(set) var elementCount = 0
  /// Stored bytes by element type.
  package private(set) var storedBytesByType: [ElementType: Int] = [:]

  package var memoryBytes: Int { bytesByWorker.reduce(0, +) + vectorBytes }
  /// Bytes of panels that ranks of one host can have in common.
  package var sharedBytes: Int { sharedByWorker.reduce(0, +) }

  /// Counts all that one rank of `workerCount` workers would hold, and room for `spareExperts` more; throws on the
  /// first tensor that is missing or does not fit.
  package static func measure(
    _ description: DecoderDescription, checkpoint: any Checkpoint, workerCount: Int, spareExperts: Int = 0,
    owns: (Int, Int) -> Bool
  ) throws -> WeightBudget {
    let none = Array(repeating: 0, count: workerCount)
    var budget = WeightBudget(bytesByWorker: none, sharedByWorker: none)
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: workerCount)
    // Of slices each rank has its own.
    let shares = description.slice == nil
    try parameters.walk(owns: owns) { spec, found in
      switch found {
      case .matrices(let sources):
        for source in sources { budget.add(source, isShared: shares && spec.expert == nil) }
      case .vector(let source):
        budget.vectorBytes += source.count * 4
        budget.count(source.entry.type, elements: source.count, bytes: source.count * source.entry.type.byteCount)
      }
    }
    if spareExperts > 0, let shape = try parameters.commonExpert() {
      for worker in budget.bytesByWorker.indices {
        budget.bytesByWorker[worker] += spareExperts * shape.byteCount(worker: worker)
      }
      budget.vectorBytes += spareExperts * shape.vectorBytes
    }
    return budget
  }

  private mutating func add(_ source: MatrixSource, isShared: Bool) {
    for worker in bytesByWorker.indices {
      let byteCount = source.byteCount(worker: worker)
      bytesByWorker[worker] += byteCount
      if isShared { sharedByWorker[worker] += byteCount }
    }
    if isShared { sharedStoredBytes += source.storedScales.reduce(source.storedByteCount) { $0 + $1.byteCount } }
    count(source.entry.type, elements: source.elementCount, bytes: source.storedByteCount)
    for scales in source.storedScales { count(scales.entry.type, elements: 0, bytes: scales.byteCount) }
  }

  private mutating func count(_ type: ElementType, elements: Int, bytes: Int) {
    elementCount += elements
    storedBytes += bytes
    storedBytesByType[type, default: 0] += bytes
  }
}
