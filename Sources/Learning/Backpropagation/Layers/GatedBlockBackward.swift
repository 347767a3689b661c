import Gradients
import MoEModel
import Telemetry
import Tensors

/// Of down(silu(gate(x)) · up(x)), or of another activation.
final class GatedBlockBackward {
  private let kind: ParameterRole.FeedForwardKind
  private let layer: Int
  private let activation: Activation
  private let parts: BackwardParts
  /// The gradients by what gate and up gave, from `begin` to `end`.
  private var byGate: MatrixView<Float>?
  private var byUp: MatrixView<Float>?

  init(
    _ kind: ParameterRole.FeedForwardKind, layer: Int, activation: Activation = .swiGLU, _ parts: BackwardParts
  ) {
    (self.kind, self.layer, self.activation, self.parts) = (kind, layer, activation, parts)
  }

  /// parts.normedGradient (+)= the gradient by the block's input, which is parts.normed; `dy` `[rows, hidden]` is that
  /// by its output.
  func run(_ tape: FeedForwardTape, dy: MatrixView<Float>, adding: Bool) throws {
    try begin(tape, dy: dy)
    end(adding: adding)
  }

  /// All but the gradient by the block's input.
  func begin(_ tape: FeedForwardTape, dy: MatrixView<Float>) throws {
    let (parts, compute, rows, width) = (parts, parts.compute.compute, dy.rowCount, tape.gate.columns)
    let (hidden, activation) = (dy.columns, activation)
    func storage(_ purpose: BackwardParts.Purpose) -> MatrixView<Float> {
      let storage = parts.rows(purpose, columns: width)
      storage.reserve(rows: rows)
      return storage.view(rows: rows)
    }
    let (product, dGate, dUp) = (storage(.product), storage(.gate), storage(.up))
    parts.backThrough(weights(.down, rows: hidden, columns: width), dy: dy, into: dUp)
    parts.forEachRow { row in
      compute.activate(activation, gate: tape.gate[row], up: tape.up[row], into: product[row], count: width)
      compute.activationGradient(
        activation, gate: tape.gate[row], up: tape.up[row], gradient: dUp[row], gateGradient: dGate[row],
        upGradient: dUp[row], count: width)
    }
    try parts.gradients.addProduct(id(.down), dy: dy, x: product)
    try parts.gradients.addProduct(id(.gate), dy: dGate, x: parts.normed)
    try parts.gradients.addProduct(id(.up), dy: dUp, x: parts.normed)
    (byGate, byUp) = (dGate, dUp)
  }

  /// parts.normedGradient (+)= the gradient by the block's input, after `begin`.
  func end(adding: Bool) {
    guard let byGate, let byUp else { return }
    let (target, width) = (parts.normedGradient, byUp.columns)
    parts.backThrough(weights(.gate, rows: width, columns: target.columns), dy: byGate, into: target, adding: adding)
    parts.backThrough(weights(.up, rows: width, columns: target.columns), dy: byUp, into: target, adding: true)
    (self.byGate, self.byUp) = (nil, nil)
  }

  private func id(_ projection: ParameterRole.Projection) -> ParameterID {
    ParameterID(.feedForward(kind, projection), layer: layer)
  }

  private func weights(_ projection: ParameterRole.Projection, rows: Int, columns: Int) -> StridedMatrix {
    parts.matrix(.feedForward(kind, projection), layer, rows: rows, columns: columns)
  }
}

/// Of a feed-forward layer without experts.
final class DenseBackward: FeedForwardBackward {
  private let layer: Int
  private let parts: BackwardParts
  private let block: GatedBlockBackward

  init(_ layer: Int, _ parts: BackwardParts) {
    (self.layer, self.parts) = (layer, parts)
    block = GatedBlockBackward(.dense, layer: layer, parts)
  }

  func run(_ tape: FeedForwardLayerTape, objective: Objective, loss: inout StepLoss) throws {
    guard case .dense(let input, let block) = tape, parts.rowCount > 0 else { return }
    parts.phases?.enter(.dense, layer: layer)
    parts.normalize(input, .feedForwardNorm, layer: layer)
    try self.block.run(block, dy: parts.stream, adding: false)
    try parts.endNorm(input, .feedForwardNorm, layer: layer)
  }
}
