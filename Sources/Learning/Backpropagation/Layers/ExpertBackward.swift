import Gradients
import Kernels
import Machine
import MoEModel
import Tensors

/// The backward pass of the experts one rank holds: takes the gradients by their outputs, which arrive as tokens do,
/// and returns those by their inputs. An expert's owner sees all its visits of a step, in order of sequence and
/// position: its parameters' gradients need no exchange.
///
/// An output row is `[hidden | topK]`: the gradient by the token, and by the weight of its choice at the choice's
/// number, which comes in the place of a weight. Workers take whole experts. Where messages travel between hosts, they
/// do so first for what is returned, and then, while that is under way, for the gradients of parameters (`finish`).
package final class ExpertBackward: RoutedExperts {
  private let bank: ExpertBank
  private let moe: MoEDescription
  private let hiddenSize: Int
  private let values: any ParameterValues
  private let compute: GradientCompute
  private let outputGradientRows: RowStorage<Float>
  private let gateGradientRows: RowStorage<Float>
  private let upGradientRows: RowStorage<Float>
  /// The layer whose parameters still want their gradients.
  private var unfinished: Int?

  /// `bank` keeps its tapes.
  package init(
    _ description: DecoderDescription, moe: MoEDescription, bank: ExpertBank, values: any ParameterValues,
    compute: GradientCompute
  ) {
    (self.bank, self.moe, self.values, self.compute) = (bank, moe, values, compute)
    hiddenSize = description.hiddenSize
    outputGradientRows = RowStorage(columns: hiddenSize)
    gateGradientRows = RowStorage(columns: moe.expertIntermediateSize)
    upGradientRows = RowStorage(columns: moe.expertIntermediateSize)
  }

  package var rowFormat: RowFormat { .float32 }

  package func compute(_ batch: VisitBatch) {
    guard let tape = bank.tape(layer: batch.layer) else { preconditionFailure("experts that keep nothing") }
    precondition(batch.visits.count == tape.count, "other visits than in the forward pass")
    guard tape.count > 0 else { return }
    for storage in [outputGradientRows, gateGradientRows, upGradientRows] { storage.reserve(rows: tape.count) }
    let width = hiddenSize + moe.topK
    // Products write to rows that begin with lines of a cache.
    let stride = (width + 15) / 16 * 16
    let returned = MatrixView(
      batch.reserveProducts(tape.count * stride), rows: tape.count, columns: width, stride: stride)
    // Where messages are under way, what is returned goes first.
    let waits = compute.compute.pool.polled == nil
    forEachGroup(of: tape) { group, worker in
      for places in Self.blocks(of: group.places) {
        gather(batch, tape, places)
        run(group.expert, places, tape, layer: batch.layer, into: returned, worker: worker)
        if waits { differentiate(group.expert, places, tape, layer: batch.layer, worker: worker) }
      }
    }
    addUp(batch, tape, returned)
    if !waits { unfinished = batch.layer }
  }

  package func finish() {
    guard let layer = unfinished, let tape = bank.tape(layer: layer) else { return }
    unfinished = nil
    forEachGroup(of: tape) { group, worker in
      for places in Self.blocks(of: group.places) {
        differentiate(group.expert, places, tape, layer: layer, worker: worker)
      }
    }
  }

  /// An expert's visits some at a time, so that their rows are in the second-level cache for all that is made of them:
  /// as many as a product sums in one chain. Sums of these are added to a gradient one after another; as it begins with
  /// zeros, its bits are those of one product over all visits, but in bf16 for sums of blocks that are subnormal.
  private static func blocks(of places: Range<Int>) -> [Range<Int>] {
    stride(from: places.lowerBound, to: places.upperBound, by: GradientCompute.depthBlock).map {
      $0..<min($0 + GradientCompute.depthBlock, places.upperBound)
    }
  }

  /// The gradients of an own expert's parameters, from some of its visits.
  private func differentiate(_ expert: Int, _ places: Range<Int>, _ tape: ExpertTape, layer: Int, worker: Int) {
    func id(_ projection: ParameterRole.Projection) -> ParameterID {
      ParameterID(.feedForward(.expert, projection), layer: layer, expert: expert)
    }
    func rows(_ storage: RowStorage<Float>) -> MatrixView<Float> { storage.view(rows: tape.count).rows(places) }
    let x = tape.inputs.rows(places)
    add(id(.down), dy: rows(outputGradientRows), x: tape.product.rows(places), worker: worker)
    add(id(.gate), dy: rows(gateGradientRows), x: x, worker: worker)
    add(id(.up), dy: rows(upGradientRows), x: x, worker: worker)
  }

  /// Workers take whole experts, the longest first, so that none is left to one worker at the end; the first of them
  /// moves messages on.
  private func forEachGroup(of tape: ExpertTape, _ body: (_ group: ExpertTape.Group, _ worker: Int) -> Void) {
    let groups = tape.groups.sorted { ($1.places.count, $0.expert) < ($0.places.count, $1.expert) }
    let (next, pool) = (TaskCounter(), compute.compute.pool)
    pool.run { worker in
      while true {
        let task = next.take()
        guard task < groups.count else { return }
        if worker == 0 { pool.polled?.poll() }
        body(groups[task], worker)
      }
    }
  }

  /// The gradients by outputs, an expert's side by side.
  private func gather(_ batch: VisitBatch, _ tape: ExpertTape, _ places: Range<Int>) {
    let (visitAt, visits, inputs) = (tape.visitAt, batch.visits.elements, batch.inputs.elements)
    let rows = outputGradientRows.view(rows: tape.count)
    for place in places {
      let source = inputs[Int(visits[Int(visitAt[place])].row)].assumingMemoryBound(to: Float.self)
      rows[place].update(from: source, count: hiddenSize)
    }
  }

  private func run(
    _ expert: Int, _ places: Range<Int>, _ tape: ExpertTape, layer: Int, into returned: MatrixView<Float>, worker: Int
  ) {
    let (width, arithmetic) = (moe.expertIntermediateSize, compute.compute)
    let dy = outputGradientRows.view(rows: tape.count).rows(places)
    let (dGate, dUp) = (
      gateGradientRows.view(rows: tape.count).rows(places), upGradientRows.view(rows: tape.count).rows(places)
    )
    let (product, out) = (tape.product.rows(places), returned.rows(places))
    let (gate, up) = (tape.gate.rows(places), tape.up.rows(places))
    func id(_ projection: ParameterRole.Projection) -> ParameterID {
      ParameterID(.feedForward(.expert, projection), layer: layer, expert: expert)
    }
    func matrix(_ projection: ParameterRole.Projection, rows: Int, columns: Int) -> StridedMatrix {
      StridedMatrix(values.values(id(projection)), rows: rows, columns: columns, rowStride: columns)
    }
    compute.multiplyAll(
      StridedMatrix(dy), by: matrix(.down, rows: hiddenSize, columns: width), into: dUp, worker: worker)
    let weights = tape.weights + places.lowerBound
    for row in 0..<places.count {
      let weight = weights[row]
      // By the weight: dy · output = dUp · product, and where the output has a bias dy · bias.
      (out[row] + hiddenSize).update(repeating: 0, count: moe.topK)
      out[row][hiddenSize] = arithmetic.dot(dUp[row], product[row], count: width)
      if moe.expertHasBias {
        var down = id(.down)
        down.isBias = true
        out[row][hiddenSize] += arithmetic.dot(dy[row], values.values(down), count: hiddenSize)
      }
      arithmetic.scale(dUp[row], by: weight, into: dUp[row], count: width)
      arithmetic.scale(dy[row], by: weight, into: dy[row], count: hiddenSize)
      arithmetic.activationGradient(
        moe.activation, gate: gate[row], up: up[row], gradient: dUp[row], gateGradient: dGate[row],
        upGradient: dUp[row], count: width)
    }
    let dx = out.columns(0..<hiddenSize)
    compute.multiplyAll(
      StridedMatrix(dGate), by: matrix(.gate, rows: width, columns: hiddenSize), into: dx, worker: worker)
    compute.multiplyAll(
      StridedMatrix(dUp), by: matrix(.up, rows: width, columns: hiddenSize), into: dx, adding: true, worker: worker)
  }

  /// Adds to an own parameter's gradient dyᵀ · x over some visits, and their sum to that of a bias.
  private func add(_ id: ParameterID, dy: MatrixView<Float>, x: MatrixView<Float>, worker: Int) {
    let target = MatrixView(values.expertGradient(id), rows: dy.columns, columns: x.columns)
    compute.multiplyAll(StridedMatrix(dy).transposed, by: StridedMatrix(x), into: target, adding: true, worker: worker)
    guard moe.expertHasBias else { return }
    compute.sumRows(StridedMatrix(dy), into: values.expertGradient(id.bias), adding: true, worker: worker)
  }

  /// Puts the gradients by weights at the numbers of their choices, and adds rows up as the forward pass added outputs.
  private func addUp(_ batch: VisitBatch, _ tape: ExpertTape, _ returned: MatrixView<Float>) {
    let (visits, places, ids, hidden) = (batch.visits.elements, tape.placeOf, batch.experts.elements, hiddenSize)
    let (subtrees, count, topK) = (batch.subtrees.elements, batch.subtrees.count, moe.topK)
    let (rows, arithmetic) = (batch.outputs.extend(by: count), compute.compute)
    arithmetic.pool.run { worker in
      for i in arithmetic.share(of: count, worker: worker) {
        let subtree = subtrees[i]
        func row(_ visit: Int) -> UnsafeMutablePointer<Float> { returned[Int(places[subtree.first + visit])] }
        for visit in 0..<subtree.count {
          let weights = row(visit) + hidden
          let (value, number) = (weights[0], Int(visits[subtree.first + visit].weight))
          weights[0] = 0
          if number >= 0, number < topK { weights[number] = value }
        }
        CombineTree.visit(ids + subtree.first, count: subtree.count) { target, source in
          arithmetic.add(row(source), to: row(target), count: returned.columns)
        }
        rows[i] = row(0)
      }
    }
  }
}
