import Kernels
import Machine
import Tensors

/// How ranks share out grouped attention: the columns of all heads' values and of the output, and a norm over all
/// heads.
struct GroupedSlices {
  let values: RowSlices
  let output: RowSlices
  /// Where queries and keys have one norm over all heads, of which each rank projects some.
  let joint: JointNorm?
}

/// A norm over the queries, and one over the keys, of all heads: they are gathered, and every rank takes its own back.
final class JointNorm {
  private let query: RowSlices
  private let key: RowSlices
  private let queryRows: RowStorage<Float>
  private let keyRows: RowStorage<Float>

  init(query: RowSlices, key: RowSlices) {
    (self.query, self.key) = (query, key)
    queryRows = RowStorage(columns: query.ranges.last?.upperBound ?? 0)
    keyRows = RowStorage(columns: key.ranges.map(\.upperBound).max() ?? 0)
  }

  func reserve(rows: Int) {
    queryRows.reserve(rows: rows)
    keyRows.reserve(rows: rows)
  }

  /// Replaces this rank's queries and keys, as projected, by their part of the norms. All workers call it, and have met
  /// before.
  func normalize(
    query own: MatrixView<Float>, key ownKey: MatrixView<Float>, _ weights: GroupedAttentionWeights, epsilon: Float,
    _ compute: Compute, worker: Int
  ) {
    let (queries, keys) = (queryRows.view(rows: own.rowCount), keyRows.view(rows: own.rowCount))
    let share = compute.share(of: own.rowCount, worker: worker)
    for row in share {
      query.own(of: queries)[row].update(from: own[row], count: own.columns)
      key.own(of: keys)[row].update(from: ownKey[row], count: ownKey.columns)
    }
    compute.pool.barrier(worker: worker)
    if worker == 0 {
      query.note(queries)
      key.note(keys)
      query.gatherer.run()
    }
    compute.pool.barrier(worker: worker)
    for row in share {
      normalize(queries[row], count: queries.columns, weights.queryNorm, epsilon, compute)
      normalize(keys[row], count: keys.columns, weights.keyNorm, epsilon, compute)
      own[row].update(from: query.own(of: queries)[row], count: own.columns)
      ownKey[row].update(from: key.own(of: keys)[row], count: ownKey.columns)
    }
    compute.pool.barrier(worker: worker)
  }

  private func normalize(
    _ x: UnsafeMutablePointer<Float>, count: Int, _ weight: AlignedBuffer<Float>?, _ epsilon: Float, _ compute: Compute
  ) {
    guard let weight else { return }
    compute.rmsNorm(
      x, stride: count, rows: 1, count: count, weight: weight.pointer, epsilon: epsilon, out: x, outStride: count)
  }
}
