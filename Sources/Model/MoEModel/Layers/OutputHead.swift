import Kernels
import Tensors

/// What follows the last layer: the final norm, and the product with the head, of the rows that want either.
final class OutputHead {
  private let norm: AlignedBuffer<Float>
  private let weights: PackedMatrix
  private let epsilon: Float
  private let compute: Compute
  /// How ranks share out the vocabulary, where they do.
  private let slices: RowSlices?
  private let normedRows: RowStorage<Float>
  private let logitRows: RowStorage<Float>
  private let stateRows: RowStorage<Float>
  private var rounded: RowBuffer
  /// Rows of the batch that want logits, and states.
  private var outputs: [Int] = []
  private var states: [Int] = []

  /// `slices`: of the vocabulary, where `weights` are this rank's rows only.
  init(
    norm: AlignedBuffer<Float>, _ weights: PackedMatrix, rowFormat: RowFormat, epsilon: Float, compute: Compute,
    slices: RowSlices? = nil
  ) {
    (self.norm, self.weights, self.epsilon, self.compute) = (norm, weights, epsilon, compute)
    self.slices = slices
    normedRows = RowStorage(columns: weights.columns)
    logitRows = RowStorage(columns: slices?.ranges.last?.upperBound ?? weights.rows)
    stateRows = RowStorage(columns: weights.columns)
    rounded = RowBuffer(rowFormat, columns: weights.columns, rows: 0)
  }

  func forward(_ stream: ResidualStream, _ batch: DecoderBatch) -> DecoderOutput {
    batch.findOutputRows(&outputs, states: &states)
    return DecoderOutput(states: normStates(stream), logits: logits(stream))
  }

  private func normStates(_ stream: ResidualStream) -> UnsafeBufferPointer<Float> {
    guard !states.isEmpty else { return UnsafeBufferPointer(start: nil, count: 0) }
    stateRows.reserve(rows: states.count)
    let (hidden, rows, wanted) = (stream.output, stateRows.view(rows: states.count), states)
    compute.pool.run { worker in
      for i in compute.share(of: wanted.count, worker: worker) { norm(hidden[wanted[i]], into: rows[i]) }
    }
    return UnsafeBufferPointer(start: rows.start, count: rows.rowCount * rows.columns)
  }

  private func logits(_ stream: ResidualStream) -> UnsafeMutableBufferPointer<Float> {
    guard !outputs.isEmpty else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    let logits = logits(stream, rows: outputs).logits
    return UnsafeMutableBufferPointer(start: logits.start, count: logits.rowCount * logits.columns)
  }

  /// Norms `[rows, hidden]` and logits `[rows, vocabulary]` of some of the batch's rows; valid until the next call.
  func logits(
    _ stream: ResidualStream, rows wanted: [Int]
  ) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    normedRows.reserve(rows: wanted.count)
    logitRows.reserve(rows: wanted.count)
    rounded = rounded.reserving(rows: wanted.count)
    let (hidden, normed, rounded) = (stream.output, normedRows.view(rows: wanted.count), rounded)
    let logits = logitRows.view(rows: wanted.count)
    compute.pool.run { worker in
      for i in compute.share(of: wanted.count, worker: worker) {
        norm(hidden[wanted[i]], into: normed[i])
        rounded.round(compute, row: i, normed[i])
      }
      compute.pool.barrier(worker: worker)
      weights.multiply(compute, worker: worker, rounded.rows(of: normed), into: slices.own(of: logits))
      slices?.gather(logits, compute, worker: worker)
    }
    return (normed, logits)
  }

  private func norm(_ hidden: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    let count = weights.columns
    compute.rmsNorm(
      hidden, stride: count, rows: 1, count: count, weight: norm.pointer, epsilon: epsilon, out: out, outStride: count)
  }
}
