import Kernels
import Machine
import Tensors

/// A multi-token prediction module (DeepSeek-V3, section 2.2): one more layer, which guesses the token after the next
/// one from what the model made of a token and from the next token. Embedding and head are the model's.
///
/// Its layer's input is `projection · [norm(embedding of the next token) | norm(hidden state)]`; a row keeps its
/// position. Training and drafting both feed the state *after* the model's last norm, which is what its own head sees.
/// Where the residual stream is several (DeepSeek-V4), each is joined to the embedding apart, before any of that
/// (`PredictionModule+Streams`).
final class PredictionModule {
  /// The layer's.
  let stream: ResidualStream
  let weights: PredictionWeights
  private let head: OutputHead
  private let epsilon: Float
  let compute: Compute
  /// How ranks share out the rows of the projection, where they do.
  private let slices: RowSlices?
  let embeddingRows: RowStorage<Float>
  let stateRows: RowStorage<Float>
  private let joinedRows: RowStorage<Float>
  /// Of what meets the projection.
  var rounded: RowBuffer
  /// Of embeddings that have a projection of their own: their norm, and what comes of it; nil where they have none.
  var embeddingProjection: (normed: RowStorage<Float>, rounded: RowBuffer, rows: RowStorage<Float>)?
  /// What the module's last norm had of several streams, where that is kept.
  private let record: StreamRecord?

  /// `record`: where that is kept. `slices`, `vocabulary`: of the layer's input and of the head, where `weights` and
  /// `head` are this rank's rows only.
  init(
    _ weights: PredictionWeights, hiddenSize: Int, head: PackedMatrix, rowFormat: RowFormat, epsilon: Float,
    compute: Compute, residual: ResidualDescription = .plain, record: StreamRecord? = nil, slices: RowSlices? = nil,
    vocabulary: RowSlices? = nil
  ) {
    (self.record, self.slices) = (record, slices)
    (self.weights, self.epsilon, self.compute) = (weights, epsilon, compute)
    stream = ResidualStream(
      hiddenSize: hiddenSize, epsilon: epsilon, rowFormat: rowFormat, compute: compute, residual: residual)
    self.head = OutputHead(
      norm: weights.norm, head, rowFormat: rowFormat, epsilon: epsilon, compute: compute, slices: vocabulary)
    embeddingRows = RowStorage(columns: hiddenSize)
    stateRows = RowStorage(columns: hiddenSize)
    joinedRows = RowStorage(columns: 2 * hiddenSize)
    rounded = RowBuffer(weights.projection.rowFormat, columns: weights.projection.columns, rows: 0)
    embeddingProjection = weights.embeddingProjection.map {
      (
        normed: RowStorage(columns: hiddenSize), rounded: RowBuffer($0.rowFormat, columns: hiddenSize, rows: 0),
        rows: RowStorage(columns: hiddenSize)
      )
    }
  }

  /// Makes room for so many rows; returns where the embeddings of the tokens after each row's are to be written,
  /// `[rows, hidden]`.
  func begin(rows: Int) -> MatrixView<Float> {
    stream.begin(rows: rows)
    embeddingRows.reserve(rows: rows)
    return embeddingRows.view(rows: rows)
  }

  /// Writes the layer's input, when embeddings are there. `hidden`: the model's residual stream, `[rows, hidden]`, or
  /// all of several. Collective where ranks share out rows.
  func join(hidden: MatrixView<Float>, finalNorm: AlignedBuffer<Float>) {
    let (rows, size) = (hidden.rowCount, stream.hiddenSize)
    if let projection = weights.embeddingProjection { return join(hidden, projection) }
    for storage in [stateRows, joinedRows] { storage.reserve(rows: rows) }
    rounded = rounded.reserving(rows: rows)
    guard rows > 0 else { return }
    let (tape, input, rounded) = (tape(after: hidden), stream.hidden, rounded)
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        norm(hidden[row], finalNorm, into: tape.states[row])
        norm(tape.embeddings[row], weights.embeddingNorm, into: tape.joined[row])
        norm(tape.states[row], weights.hiddenNorm, into: tape.joined[row] + size)
        rounded.round(compute, row: row, tape.joined[row])
      }
      compute.pool.barrier(worker: worker)
      weights.projection.multiply(
        compute, worker: worker, rounded.rows(of: tape.joined), into: slices.own(of: input))
      slices?.gather(input, compute, worker: worker)
    }
  }

  /// Brings together what the layer left, for the head.
  func end() { stream.contract(weights.headConnection, keeping: record) }

  /// As `Decoder.logits` has them, of the token after the next.
  func logits(ofRows rows: [Int]) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    head.logits(stream, rows: rows)
  }

  /// As `OutputHead.greatest`.
  func greatest(ofRows rows: [Int], into tokens: inout [Int32]) { head.greatest(stream, rows: rows, into: &tokens) }

  /// `hidden`: the model's residual stream, or all of several.
  func tape(after hidden: MatrixView<Float>) -> PredictionTape {
    let rows = stream.hidden.rowCount
    let apart = embeddingProjection.map { ($0.normed(rows), stateRows(rows * hidden.columns / stream.hiddenSize)) }
    let (normedEmbeddings, normedStates) = apart ?? (joinedRows(0), joinedRows(0))
    return PredictionTape(
      embeddings: embeddingRows(rows), states: apart == nil ? stateRows(rows) : hidden,
      joined: joinedRows(apart == nil ? rows : 0), normedEmbeddings: normedEmbeddings,
      normedStates: MatrixView(normedStates.start, rows: apart == nil ? 0 : rows, columns: hidden.columns),
      hidden: stream.output, head: record?.tape(rows: rows))
  }

  func norm(
    _ x: UnsafePointer<Float>, _ weight: AlignedBuffer<Float>, into out: UnsafeMutablePointer<Float>
  ) {
    let size = stream.hiddenSize
    compute.rmsNorm(
      x, stride: size, rows: 1, count: size, weight: weight.pointer, epsilon: epsilon, out: out, outStride: size)
  }
}
