import Gradients
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors

/// Of an MoE layer, at its tokens' home. The gradient by a token's output goes to the experts it chose and
/// comes back as that by its input, along the same tree, with the gradients by the weights of its choices beside it.
final class MoEBackward: FeedForwardBackward {
  private let layer: Int
  private let moe: MoEDescription
  private let experts: Decoder.Experts
  /// Whether experts follow from tokens, so that nothing balances them.
  private let routesByToken: Bool
  private let parts: BackwardParts
  private let router: RouterGradient
  private let shared: GatedBlockBackward?
  /// `[rows, hidden | topK]`: what comes back.
  private let returnedRows: RowStorage<Float>
  private let logitGradientRows: RowStorage<Float>
  private let sharedGradientRows: RowStorage<Float>
  private let gateGradientRows: RowStorage<Float>
  /// The tokens' choices, numbered.
  private var choices: RouterDecisions

  init(
    _ layer: Int, _ moe: MoEDescription, _ experts: Decoder.Experts, routesByToken: Bool = false,
    _ parts: BackwardParts
  ) {
    self.routesByToken = routesByToken
    (self.layer, self.moe, self.experts, self.parts) = (layer, moe, experts, parts)
    router = RouterGradient(moe)
    shared = moe.sharedIntermediateSize.map { _ in
      GatedBlockBackward(.shared, layer: layer, activation: moe.sharedActivation, parts)
    }
    returnedRows = parts.rows(.returned, columns: parts.normed.columns + moe.topK)
    logitGradientRows = parts.rows(.logits, columns: moe.expertCount)
    gateGradientRows = parts.rows(.sharedGate, columns: 1)
    sharedGradientRows = parts.rows(.sharedOutput, columns: parts.normed.columns)
    choices = RouterDecisions(capacity: 1, topK: moe.topK)
  }

  func run(_ tape: FeedForwardLayerTape, objective: Objective, loss: inout StepLoss) throws {
    guard case .moe(let input, let tape) = tape else { return }
    let (rows, hidden) = (parts.rowCount, parts.normed.columns)
    parts.phases?.enter(.gate, layer: layer)
    reserve(rows)
    number(tape.decisions, rows: rows)
    loss.loads[layer] = countLoads(rows: rows)
    try exchange(through: experts.dispatcher) {
      guard rows > 0 else { return }
      parts.normalize(input, .feedForwardNorm, layer: layer)
      try beginShared(tape, hidden: hidden)
    }
    guard rows > 0 else { return }
    parts.phases?.enter(.gate, layer: layer)
    let (target, returned) = (parts.normedGradient, returnedRows.view(rows: rows))
    parts.forEachRow { target[$0].update(from: returned[$0], count: hidden) }
    if shared != nil { parts.phases?.enter(.shared, layer: layer) }
    endShared(tape, hidden: hidden)
    parts.phases?.enter(.gate, layer: layer)
    try backThroughRouter(tape, objective: objective, hidden: hidden, loss: &loss)
    try parts.endNorm(input, .feedForwardNorm, layer: layer)
  }

  private func reserve(_ rows: Int) {
    for storage in [returnedRows, logitGradientRows, sharedGradientRows, gateGradientRows] {
      storage.reserve(rows: rows)
    }
    if choices.experts.count < rows * moe.topK {
      choices = RouterDecisions(capacity: rows + rows / 2, topK: moe.topK)
    }
  }

  /// The same choices, with their number in the place of the weight: experts return the gradient by a weight at its
  /// number.
  private func number(_ decisions: RouterDecisions, rows: Int) {
    let topK = moe.topK
    for i in 0..<rows * topK {
      choices.experts.pointer[i] = decisions.experts.pointer[i]
      choices.weights.pointer[i] = Float(i % topK)
    }
  }

  /// Tokens by expert, of the numbered choices.
  private func countLoads(rows: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: moe.expertCount)
    for i in 0..<rows * moe.topK { counts[Int(choices.experts.pointer[i])] += 1 }
    return counts
  }

  /// `meanwhile`: what is computed while gradients travel to experts. While those by inputs travel back, experts finish
  /// what nobody waits for.
  private func exchange(through dispatcher: some ExpertDispatcher, meanwhile: () throws -> Void) throws {
    let (stream, rows) = (parts.stream, parts.rowCount)
    let flight = try dispatcher.dispatch(Rows(stream.start, stride: stream.stride), count: rows, choices, layer: layer)
    try meanwhile()
    try experts.experts.forward(flight)
    experts.experts.finish()
    let returned = returnedRows.view(rows: rows).start
    try dispatcher.combine(flight, into: returned)
    try dispatcher.complete(flight, returned, next: nil)
    dispatcher.release(flight)
  }

  /// All of the shared expert's backward pass but the gradient by its input, which is added to what experts return.
  private func beginShared(_ tape: MoETape, hidden: Int) throws {
    guard let shared, let block = tape.shared else { return }
    guard moe.sharedIsGated else { return try shared.begin(block, dy: parts.stream) }
    // The output was s · y, s = sigmoid(gate): by y it is s · dy, by the gate (dy · (s y)) · (1 − s).
    let (rows, compute) = (parts.rowCount, parts.compute.compute)
    let (dShared, dGate, stream) = (
      sharedGradientRows.view(rows: rows), gateGradientRows.view(rows: rows), parts.stream
    )
    parts.forEachRow { row in
      let opened = sigmoid(tape.sharedGate[row].pointee)
      dGate[row].pointee = compute.dot(stream[row], tape.sharedOutput[row], count: hidden) * (1 - opened)
      compute.scale(stream[row], by: opened, into: dShared[row], count: hidden)
    }
    try shared.begin(block, dy: dShared)
    try parts.gradients.addProduct(
      ParameterID(.sharedGate, layer: layer), dy: dGate, x: parts.normed, precision: .float32)
  }

  private func endShared(_ tape: MoETape, hidden: Int) {
    guard let shared, tape.shared != nil else { return }
    shared.end(adding: true)
    guard moe.sharedIsGated else { return }
    parts.backThrough(
      parts.matrix(.sharedGate, layer, rows: 1, columns: hidden), dy: gateGradientRows.view(rows: parts.rowCount),
      into: parts.normedGradient, adding: true, precision: .float32)
  }

  private func backThroughRouter(_ tape: MoETape, objective: Objective, hidden: Int, loss: inout StepLoss) throws {
    let (rows, topK) = (parts.rowCount, moe.topK)
    let (gradients, returned) = (logitGradientRows.view(rows: rows), returnedRows.view(rows: rows))
    let experts = tape.decisions.experts.pointer
    parts.forEachRow { row in
      router.write(
        logits: tape.logits[row], experts: experts + row * topK, weightGradients: returned[row] + hidden,
        into: gradients[row])
      if objective.routerZLoss != 0 {
        _ = router.addZLoss(
          factor: objective.routerZLoss * objective.factor, logits: tape.logits[row], to: gradients[row])
      }
    }
    if objective.balance != 0, !routesByToken { addBalance(tape, objective, to: gradients, loss: &loss) }
    try parts.gradients.addProduct(
      ParameterID(.router, layer: layer), dy: gradients, x: parts.normed, precision: .float32)
    parts.backThrough(
      parts.matrix(.router, layer, rows: moe.expertCount, columns: hidden), dy: gradients,
      into: parts.normedGradient, adding: true, precision: .float32)
  }

  /// The balance loss of each sequence, which workers share.
  private func addBalance(
    _ tape: MoETape, _ objective: Objective, to gradients: MatrixView<Float>, loss: inout StepLoss
  ) {
    let (leaves, compute, router, topK) = (parts.gradients.leaves, parts.compute.compute, router, moe.topK)
    let (logits, experts) = (tape.logits, tape.decisions.experts.pointer)
    loss.balance.withUnsafeMutableBufferPointer { sums in
      let sums = sums
      compute.pool.run { worker in
        for index in compute.share(of: leaves.count, worker: worker) {
          for rows in leaves[index].sequences {
            sums[index] += router.addBalance(
              coefficient: objective.balance * objective.factor * Float(rows.count), logits: logits.rows(rows),
              experts: experts + rows.lowerBound * topK, to: gradients.rows(rows), on: compute)
          }
        }
      }
    }
  }
}
