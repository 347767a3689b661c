import Kernels
import Machine
import Tensors

/// Hyper-connections between the streams of a batch (`HyperConnections`): what half a layer reads of them, and how what
/// it gives and the streams come together.
///
/// With all streams x `[streams · hidden]` of a row, and w = function · x / rms(x):
///
///     sum:     a_j = sigmoid(w_j · scale_0 + base_j) + ε;  what is read is Σ_j a_j · x_j
///     factors: b_j = 2 · sigmoid(w_j · scale_1 + base_j)
///     matrix:  C_jk = softmax over k of (w_jk · scale_2 + base_jk), + ε; then columns and rows divided by their sums
///              + ε in turn, columns first and last
///     streams: x_k := b_k · update + Σ_j C_jk · x_j
///
/// Sums over streams run in ascending order, a product rounded before it is added; of the last line the update's comes
/// first.
final class StreamMixer {
  /// Columns of one task of a worker.
  private static let blockColumns = 256

  let shape: HyperConnections
  private let hiddenSize: Int
  private let epsilon: Float
  private let compute: Compute
  private let ones: AlignedBuffer<Float>
  private let normedRows: RowStorage<Float>
  private let weightRows: RowStorage<Float>
  private let collapsedRows: RowStorage<Float>

  init(_ shape: HyperConnections, hiddenSize: Int, epsilon: Float, compute: Compute) {
    (self.shape, self.hiddenSize, self.epsilon, self.compute) = (shape, hiddenSize, epsilon, compute)
    let width = shape.streams * hiddenSize
    ones = AlignedBuffer(Array(repeating: 1, count: width))
    normedRows = RowStorage(columns: width)
    weightRows = RowStorage(columns: shape.weightCount)
    collapsedRows = RowStorage(columns: hiddenSize)
  }

  func reserve(rows: Int) {
    normedRows.reserve(rows: rows)
    weightRows.reserve(rows: rows)
    collapsedRows.reserve(rows: rows)
  }

  /// `[rows, hidden]`: what `collapse` wrote.
  func collapsed(_ rows: Int) -> MatrixView<Float> { collapsedRows.view(rows: rows) }

  /// Copies a row's first stream to the others.
  func spread(_ row: UnsafeMutablePointer<Float>) {
    for stream in 1..<max(shape.streams, 1) { (row + stream * hiddenSize).update(from: row, count: hiddenSize) }
  }

  /// Finds the weights of all rows of `streams`, and keeps these, and what they came from, where there is a `record`;
  /// called by all workers, which have met when it ends, and met before.
  func weigh(
    _ streams: MatrixView<Float>, _ connection: HyperConnectionWeights, keeping record: StreamRecord? = nil,
    worker: Int
  ) {
    let (rows, width) = (streams.rowCount, streams.columns)
    let normed = normedRows.view(rows: rows)
    for row in compute.share(of: rows, worker: worker) {
      compute.rmsNorm(
        streams[row], stride: width, rows: 1, count: width, weight: ones.pointer, epsilon: epsilon, out: normed[row],
        outStride: width)
    }
    compute.pool.barrier(worker: worker)
    // A head has weights of the sum only.
    let weights = weightRows.view(rows: rows).columns(0..<connection.function.rows)
    connection.function.multiply(compute, worker: worker, Rows(normed.start, stride: normed.stride), into: weights)
    compute.pool.barrier(worker: worker)
    let formula = StreamWeights(shape)
    for row in compute.share(of: rows, worker: worker) {
      if let record {
        record.streams(rows)[row].update(from: streams[row], count: width)
        record.weights(rows)[row].update(from: weights[row], count: weights.columns)
      }
      formula.finish(
        weights[row], ofHead: weights.columns == shape.streams, base: connection.base.pointer,
        scale: connection.scale.pointer)
    }
    compute.pool.barrier(worker: worker)
  }

  /// Adds up a row's streams, after `weigh`.
  func collapse(_ streams: MatrixView<Float>, row: Int) {
    let (weights, out) = (weightRows.view(rows: row + 1)[row], collapsedRows.view(rows: row + 1)[row])
    compute.scale(streams[row], by: weights[0], into: out, count: hiddenSize)
    for j in 1..<max(shape.streams, 1) {
      compute.addScaled(streams[row] + j * hiddenSize, by: weights[j], to: out, count: hiddenSize)
    }
  }

  /// Mixes the streams and adds the update, for the worker's share of blocks of columns, after `weigh`.
  func mix(_ streams: MatrixView<Float>, _ update: MatrixView<Float>, worker: Int) {
    let (count, block) = (shape.streams, Self.blockColumns)
    let blocks = (hiddenSize + block - 1) / block
    let weights = weightRows.view(rows: streams.rowCount)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count * block) { mixed in
      guard let mixed = mixed.baseAddress else { return }
      for piece in compute.share(of: streams.rowCount * blocks, worker: worker) {
        let (row, first) = (piece / blocks, piece % blocks * block)
        let width = min(block, hiddenSize - first)
        let (source, factors) = (streams[row] + first, weights[row] + count)
        for k in 0..<count {
          let target = mixed + k * block
          compute.scale(update[row] + first, by: factors[k], into: target, count: width)
          for j in 0..<count {
            compute.addScaled(source + j * hiddenSize, by: factors[count + j * count + k], to: target, count: width)
          }
        }
        for k in 0..<count { (source + k * hiddenSize).update(from: mixed + k * block, count: width) }
      }
    }
  }
}
