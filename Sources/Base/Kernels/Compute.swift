import CKernels
import Machine
import Tensors

/// What a forward pass computes with on this rank: the pinned workers, the instruction set, and scratch memory
/// for each worker.
package final class Compute: @unchecked Sendable {
  package let pool: WorkerPool
  package let instructionSet: InstructionSet
  package let workerCount: Int
  /// Bytes that a worker may have brought into its caches before they are needed; 0 for none.
  package let fetchByteCount: Int
  private let matmulScratch: [AlignedBuffer<UInt8>]

  /// `fetchByteCount`: the property.
  package init(pool: WorkerPool, instructionSet: InstructionSet = .best, fetchByteCount: Int = 0) {
    (self.pool, self.fetchByteCount) = (pool, fetchByteCount)
    self.instructionSet = instructionSet
    workerCount = pool.workerCount
    matmulScratch = (0..<workerCount).map { _ in AlignedBuffer(count: ck_matmul_scratch_bytes()) }
  }

  var isa: ck_isa { instructionSet.code }

  func matmulScratch(_ worker: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(matmulScratch[worker].pointer)
  }

  /// The part of `count` things that `worker` does when all workers share them evenly.
  package func share(of count: Int, worker: Int) -> Range<Int> {
    (count * worker / workerCount)..<(count * (worker + 1) / workerCount)
  }
}
