import Kernels
import Machine
import Tensors

/// How the ranks of a host share out a product that every host computes whole: each takes every n-th panel of the
/// matrix, and they tell each other, not other hosts. So hosts need no message for it, and a host reads the matrix
/// once.
struct HostShares {
  private let gatherer: SliceGatherer
  private let ranks: [Int]
  private let place: Int

  /// Nil where a host has one rank.
  init?(_ gatherer: SliceGatherer) {
    ranks = gatherer.exchange.hostRanks
    guard ranks.count > 1, let place = ranks.firstIndex(of: gatherer.slice.rank) else { return nil }
    (self.gatherer, self.place) = (gatherer, place)
  }

  /// What workers read of `matrix`.
  func add(_ matrix: PackedMatrix, to next: NextWeights) { next.add(matrix, everyPanel: ranks.count, from: place) }

  /// y := x · Wᵀ for all of the rows of `matrix`, once all workers have met afterwards.
  func multiply(_ compute: Compute, worker: Int, _ matrix: PackedMatrix, _ x: Rows, into y: MatrixView<Float>) {
    matrix.multiply(
      compute, worker: worker, everyPanel: ranks.count, from: place, x: x, count: y.rowCount, y: y.start,
      yStride: y.stride)
    compute.pool.barrier(worker: worker)
    guard worker == 0 else { return }
    for panel in 0..<PackedMatrix.panelCount(rows: matrix.rows) {
      let first = panel * PackedMatrix.panelRows
      let columns = y.columns(first..<min(first + PackedMatrix.panelRows, matrix.rows))
      gatherer.exchange.add(SlicePiece(columns), from: ranks[panel % ranks.count])
    }
    gatherer.runWithinHost()
  }
}
