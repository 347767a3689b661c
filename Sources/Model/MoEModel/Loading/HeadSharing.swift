/// Which worker computes which attention heads: runs of nearly equal length, so that a head's matrices and its work
/// stay on one NUMA node.
package enum HeadSharing {
  /// The heads of `headCount` that a worker, of `workerCount`, attends with: as many as others, or one more.
  package static func heads(ofWorker worker: Int, headCount: Int, workerCount: Int) -> Range<Int> {
    (headCount * worker / workerCount)..<(headCount * (worker + 1) / workerCount)
  }
  /// The worker, of `workerCount`, that attends with a head, of `headCount`.
  package static func worker(ofHead head: Int, headCount: Int, workerCount: Int) -> Int {
    ((head + 1) * workerCount - 1) / headCount
  }
}
