import Kernels
import Tensors

/// A multi-token prediction module (DeepSeek-V3, section 2.2): one more layer, which guesses the token after the next one from
/// what the model made of a token and from the next token. Embedding and head are the model's.
///
/// Its layer's input is `projection · [norm(embedding of the next token) | norm(hidden state after the model's last norm)]`; a row
/// keeps its position.
final class PredictionModule {
  /// The layer's.
  let stream: ResidualStream
  private let weights: PredictionWeights
  private let head: OutputHead
  private let epsilon: Float
  private let compute: Compute
  private let embeddingRows: RowStorage<Float>
  private let stateRows: RowStorage<Float>
  private let joinedRows: RowStorage<Float>
  private var rounded: RowBuffer

  init(
    _ weights: PredictionWeights, hiddenSize: Int, head: PackedMatrix, rowFormat: RowFormat, epsilon: Float,
    compute: Compute
  ) {
    (self.weights, self.epsilon, self.compute) = (weights, epsilon, compute)
    stream = ResidualStream(
      hiddenSize: hiddenSize, epsilon: epsilon, rowFormat: rowFormat, compute: compute)
    self.head = OutputHead(
      norm: weights.norm, head, rowFormat: rowFormat, epsilon: epsilon, compute: compute)
    embeddingRows = RowStorage(columns: hiddenSize)
    stateRows = RowStorage(columns: hiddenSize)
    joinedRows = RowStorage(columns: 2 * hiddenSize)
    rounded = RowBuffer(weights.projection.rowFormat, columns: 2 * hiddenSize, rows: 0)
  }

  /// Writes the layer's input. `hidden`: the model's residual stream, `[rows, hidden]`; `tokens`: the one after each row's.
  func begin(
    hidden: MatrixView<Float>, finalNorm: AlignedBuffer<Float>, tokens: UnsafePointer<Int32>, embedding: PackedMatrix
  ) {
    let (rows, size) = (hidden.rowCount, stream.hiddenSize)
    stream.begin(rows: rows)
    for storage in [embeddingRows, stateRows, joinedRows] { storage.reserve(rows: rows) }
    rounded = rounded.reserving(rows: rows)
    guard rows > 0 else { return }
    let (tape, input, rounded) = (tape, stream.hidden, rounded)
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        embedding.expand(row: Int(tokens[row]), into: tape.embeddings[row])
        norm(hidden[row], finalNorm, into: tape.states[row])
        norm(tape.embeddings[row], weights.embeddingNorm, into: tape.joined[row])
        norm(tape.states[row], weights.hiddenNorm, into: tape.joined[row] + size)
        rounded.round(compute, row: row, tape.joined[row])
      }
      compute.pool.barrier(worker: worker)
      weights.projection.multiply(compute, worker: worker, rounded.rows(of: tape.joined), into: input)
    }
  }

  /// As `Decoder.logits` has them, of the token after the next.
  func logits(ofRows rows: Range<Int>) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    head.logits(stream, rows: Array(rows))
  }

  var tape: PredictionTape {
    let hidden = stream.hidden
    func view(_ storage: RowStorage<Float>) -> MatrixView<Float> { storage.view(rows: hidden.rowCount) }
    return PredictionTape(
      embeddings: view(embeddingRows), states: view(stateRows), joined: view(joinedRows), hidden: hidden)
  }

  private func norm(
    _ x: UnsafePointer<Float>, _ weight: AlignedBuffer<Float>, into out: UnsafeMutablePointer<Float>
  ) {
    let size = stream.hiddenSize
    compute.rmsNorm(
      x, stride: size, rows: 1, count: size, weight: weight.pointer, epsilon: epsilon, out: out, outStride: size)
  }
}
