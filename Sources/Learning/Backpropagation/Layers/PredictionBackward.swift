import MoEModel
import Tensors

/// Of a multi-token prediction module around its layer (DeepSeek-V3, section 2.2).
final class PredictionBackward {
  private let layer: Int
  private let hiddenSize: Int
  private let epsilon: Float
  private let parts: BackwardParts
  private let joinedRows: RowStorage<Float>
  private let stateRows: RowStorage<Float>
  private let embeddingRows: RowStorage<Float>

  init(_ description: DecoderDescription, _ parts: BackwardParts) {
    (layer, hiddenSize, epsilon) = (description.layerCount, description.hiddenSize, description.normEpsilon)
    self.parts = parts
    joinedRows = RowStorage(columns: 2 * hiddenSize)
    stateRows = RowStorage(columns: hiddenSize)
    embeddingRows = RowStorage(columns: hiddenSize)
  }

  /// parts.stream := the gradient by the output of the module's layer, from that by its norm's in
  /// `parts.normedGradient`.
  func begin(_ tape: PredictionTape) throws {
    let (stream, hidden) = (parts.stream, hiddenSize)
    parts.forEachRow { stream[$0].update(repeating: 0, count: hidden) }
    try parts.endNorm(tape.hidden, .prediction(.norm), layer: layer)
  }

  /// From the gradient by the layer's input in `parts.stream` to those by the module's parameters, `states` and
  /// `embeddings`.
  func end(_ tape: PredictionTape) throws {
    for storage in [joinedRows, stateRows, embeddingRows] { storage.reserve(rows: parts.rowCount) }
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

  /// The gradients by what the module was given: the model's hidden states after its last norm, and embeddings of the
  /// next tokens, both `[rows, hidden]`.
  var states: MatrixView<Float> { stateRows.view(rows: parts.rowCount) }
  var embeddings: MatrixView<Float> { embeddingRows.view(rows: parts.rowCount) }
}
