import Kernels
import Tensors

/// What this rank multiplies with when an exchange has ended, by worker: the panels that it reads.
package final class NextWeights {
  private let lists: [GrowingList<MemoryRun>]

  /// Empty lists, one for each of so many workers.
  package init(workerCount: Int) { lists = (0..<workerCount).map { _ in GrowingList() } }

  /// Matrices in the order in which they are multiplied with.
  convenience init(_ matrices: [PackedMatrix], workerCount: Int) {
    self.init(workerCount: workerCount)
    for matrix in matrices { add(matrix) }
  }

  func add(_ matrix: PackedMatrix) { for worker in lists.indices { add(matrix.run(worker: worker), worker: worker) } }

  /// Adds what one worker reads of a matrix, if that is anything.
  package func add(_ run: MemoryRun?, worker: Int) { if let run { lists[worker].append(run) } }

  /// Adds every `step`th panel of a matrix, from panel `first` on.
  func add(_ matrix: PackedMatrix, everyPanel step: Int, from first: Int) {
    for worker in lists.indices {
      matrix.forEachRun(worker: worker, everyPanel: step, from: first) { lists[worker].append($0) }
    }
  }

  /// Forgets what one worker reads.
  func clear(worker: Int) { lists[worker].removeAll() }

  /// What a worker, from 0 on, reads: runs of bytes in the order in which it does.
  package func runs(worker: Int) -> UnsafeBufferPointer<MemoryRun> {
    UnsafeBufferPointer(start: lists[worker].elements, count: lists[worker].count)
  }
}
