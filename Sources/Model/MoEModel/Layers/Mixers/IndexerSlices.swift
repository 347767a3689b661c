import Kernels
import Machine
import Tensors

/// How ranks share out a lightning indexer: rows of its matrices, and the positions that are scored. A score is a sum
/// over heads, which no two ranks share.
struct IndexerSlices {
  /// Runs of positions that are scored together from which on ranks share them: an exchange takes about as long as one
  /// worker does for one run, and fewer runs hardly keep the workers of one rank busy.
  private static let sharedRuns = 32

  /// Of the key; these two travel with attention's latents.
  let key: RowSlices
  let headWeights: RowSlices
  /// Of the queries of all heads.
  let queries: RowSlices
  let gatherer: SliceGatherer

  /// Which of so many runs of positions are this rank's to score.
  func runs(_ count: Int) -> Range<Int> { runs(count, of: gatherer.slice.rank) }

  private func runs(_ count: Int, of rank: Int) -> Range<Int> {
    guard count >= Self.sharedRuns else { return 0..<count }
    let ranks = gatherer.slice.rankCount
    return (count * rank / ranks)..<(count * (rank + 1) / ranks)
  }

  /// Completes the queries of the rows that need a choice, in one exchange. All workers call it when they have met, and
  /// have met again afterwards.
  func gatherQueries(_ scratch: IndexerScratch, _ chosen: ChosenPositions, _ compute: Compute, worker: Int) {
    if worker == 0 {
      for place in 0..<chosen.rowCount {
        let row = chosen[place].row
        queries.note(MatrixView(scratch.queries(row + 1)[row], rows: 1, columns: scratch.queries(row + 1).columns))
      }
      gatherer.run()
    }
    compute.pool.barrier(worker: worker)
  }

  /// Brings every rank the scores of a group of rows, likewise, where ranks share them.
  func gatherScores(of group: Range<Int>, _ chosen: ChosenPositions, _ compute: Compute, worker: Int) {
    let count = chosen.runCount(group)
    guard count >= Self.sharedRuns else { return }
    if worker == 0 {
      for rank in 0..<gatherer.slice.rankCount {
        chosen.forEachPiece(group, runs: runs(count, of: rank)) { row, positions in
          let piece = MatrixView(chosen.scores(of: row) + positions.lowerBound, rows: 1, columns: positions.count)
          gatherer.exchange.add(SlicePiece(piece), from: rank)
        }
      }
      gatherer.run()
    }
    compute.pool.barrier(worker: worker)
  }
}
