import Gradients
import MoEModel
import Tensors

/// Of a multi-token prediction module around its layer (DeepSeek-V3, section 2.2).
final class PredictionBackward {
  private let layer: Int
  private let hiddenSize: Int
  private let epsilon: Float
  private let parts: BackwardParts
  /// Nil where the residual is plain.
  private let streams: StreamBackward?
  private let joinedRows: RowStorage<Float>
  private let stateRows: RowStorage<Float>
  private let embeddingRows: RowStorage<Float>

  init(_ description: DecoderDescription, _ parts: BackwardParts, _ streams: StreamBackward?) {
    (layer, hiddenSize, epsilon) = (description.layerCount, description.hiddenSize, description.normEpsilon)
    (self.parts, self.streams) = (parts, streams)
    joinedRows = RowStorage(columns: streams == nil ? 2 * hiddenSize : 0)
    if case .hyper(let shape) = description.residual {
      stateRows = RowStorage(columns: shape.streams * hiddenSize)
    } else {
      stateRows = RowStorage(columns: hiddenSize)
    }
    embeddingRows = RowStorage(columns: hiddenSize)
  }

  /// parts.stream, or of several parts.streams, := the gradient by the output of the module's layer, from that by its
  /// norm's in `parts.normedGradient`.
  func begin(_ tape: PredictionTape) throws {
    let (stream, hidden) = (parts.stream, hiddenSize)
    parts.forEachRow { stream[$0].update(repeating: 0, count: hidden) }
    try parts.endNorm(tape.hidden, .prediction(.norm), layer: layer)
    if let streams, let head = tape.head { try streams.backThroughSum(head, of: .prediction, layer: layer) }
  }

  /// From the gradient by the layer's input in `parts.stream`, or of several in `parts.streams`, to those by the
  /// module's parameters, `states` and `embeddings`.
  func end(_ tape: PredictionTape) throws {
    for storage in [joinedRows, stateRows, embeddingRows] { storage.reserve(rows: parts.rowCount) }
    if let streams { return try end(tape, streams) }
    let (joined, hidden) = (joinedRows.view(rows: parts.rowCount), hiddenSize)
    try parts.gradients.addProduct(
      ParameterID(.prediction(.projection), layer: layer), dy: parts.stream, x: tape.joined)
    parts.backThrough(
      parts.matrix(.prediction(.projection), layer, rows: hidden, columns: 2 * hidden), dy: parts.stream, into: joined)
    try parts.norm(
      ParameterID(.prediction(.embeddingNorm), layer: layer), tape.embeddings, joined.columns(0..<hidden),
      into: embeddings, epsilon: epsilon)
    try parts.norm(
      ParameterID(.prediction(.hiddenNorm), layer: layer), tape.states, joined.columns(hidden..<(2 * hidden)),
      into: states, epsilon: epsilon)
  }

  /// Of several streams each went through one projection, and the embedding, which was added to all, through another.
  private func end(_ tape: PredictionTape, _ streams: StreamBackward) throws {
    let (rows, hidden, all) = (parts.rowCount, hiddenSize, parts.streams)
    let count = all.columns / hidden
    func id(_ part: ParameterRole.PredictionPart) -> ParameterID { ParameterID(.prediction(part), layer: layer) }
    func weights(_ part: ParameterRole.PredictionPart) -> StridedMatrix {
      parts.matrix(.prediction(part), layer, rows: hidden, columns: hidden)
    }
    func apart(_ view: MatrixView<Float>) -> MatrixView<Float> {
      MatrixView(view.start, rows: rows * count, columns: hidden)
    }
    streams.backThroughCopies()
    try parts.gradients.addProduct(id(.embeddingProjection), dy: parts.stream, x: tape.normedEmbeddings)
    parts.backThrough(weights(.embeddingProjection), dy: parts.stream, into: embeddings)
    try parts.norm(id(.embeddingNorm), tape.embeddings, embeddings, into: embeddings, epsilon: epsilon)
    try parts.gradients.addProduct(id(.projection), dy: apart(all), x: apart(tape.normedStates), vectors: count)
    parts.backThrough(weights(.projection), dy: apart(all), into: apart(states))
    try parts.norm(id(.hiddenNorm), tape.states, states, vectors: count, into: states, epsilon: epsilon)
  }

  /// The gradients by what the module was given: the model's hidden states after its last norm, or of several streams
  /// all as the last layer left them, `[rows, streams · hidden]`, and embeddings of the next tokens, `[rows, hidden]`.
  var states: MatrixView<Float> { stateRows.view(rows: parts.rowCount) }
  var embeddings: MatrixView<Float> { embeddingRows.view(rows: parts.rowCount) }
}
