import Gradients
import Kernels
import MoEModel
import Tensors

/// The backward pass of the experts one rank holds: takes the gradients by their outputs, which arrive as tokens do,
/// and returns those by their inputs. An expert's owner sees all its visits of a step, in order of sequence and
/// position: its parameters' gradients need no exchange.
///
/// An output row is `[hidden | topK]`: the gradient by the token, and by the weight of its choice at the choice's
/// number, which comes in the place of a weight. Workers take whole experts: first for what is returned, and then, while
/// that travels, for the gradients of their own parameters (`finish`).
package final class ExpertBackward: RoutedExperts {
  private let bank: ExpertBank
  private let mixture: MixtureDescription
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
    _ description: DecoderDescription, mixture: MixtureDescription, bank: ExpertBank, values: any ParameterValues,
    compute: GradientCompute
  ) {
    (self.bank, self.mixture, self.values, self.compute) = (bank, mixture, values, compute)
    hiddenSize = description.hiddenSize
    outputGradientRows = RowStorage(columns: hiddenSize)
    gateGradientRows = RowStorage(columns: mixture.expertIntermediateSize)
    upGradientRows = RowStorage(columns: mixture.expertIntermediateSize)
  }

  package var rowFormat: RowFormat { .float32 }

  package func compute(_ batch: VisitBatch) {
    guard let tape = bank.tape(layer: batch.layer) else { preconditionFailure("experts that keep nothing") }
    precondition(batch.visits.count == tape.count, "other visits than in the forward pass")
    guard tape.count > 0 else { return }
    for storage in [outputGradientRows, gateGradientRows, upGradientRows] { storage.reserve(rows: tape.count) }
    let width = hiddenSize + mixture.topK
    let returned = MatrixView(batch.reserveProducts(tape.count * width), rows: tape.count, columns: width)
    gather(batch, tape, into: outputGradientRows.view(rows: tape.count))
    forEachGroup(of: tape) { run($0, tape, layer: batch.layer, into: returned, worker: $1) }
    addUp(batch, tape, returned)
    unfinished = batch.layer
  }

  package func finish() {
    guard let layer = unfinished, let tape = bank.tape(layer: layer) else { return }
    unfinished = nil
    let (dy, dGate, dUp) = (
      outputGradientRows.view(rows: tape.count), gateGradientRows.view(rows: tape.count),
      upGradientRows.view(rows: tape.count)
    )
    forEachGroup(of: tape) { group, worker in
      let (places, x) = (group.places, tape.inputs.rows(group.places))
      func id(_ projection: ParameterRole.Projection) -> ParameterID {
        ParameterID(.feedForward(.expert, projection), layer: layer, expert: group.expert)
      }
      add(id(.down), dy: dy.rows(places), x: tape.product.rows(places), worker: worker)
      add(id(.gate), dy: dGate.rows(places), x: x, worker: worker)
      add(id(.up), dy: dUp.rows(places), x: x, worker: worker)
    }
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
        if worker == 0 { pool.poll?() }
        body(groups[task], worker)
      }
    }
  }

  /// The gradients by outputs, an expert's side by side.
  private func gather(_ batch: VisitBatch, _ tape: ExpertTape, into rows: MatrixView<Float>) {
    let (places, visits, inputs) = (tape.placeOf, batch.visits.elements, batch.inputs.elements)
    compute.compute.forEachRow(tape.count) { visit in
      let source = inputs[Int(visits[visit].row)].assumingMemoryBound(to: Float.self)
      rows[Int(places[visit])].update(from: source, count: hiddenSize)
    }
  }

  private func run(
    _ group: ExpertTape.Group, _ tape: ExpertTape, layer: Int, into returned: MatrixView<Float>, worker: Int
  ) {
    let (places, width, arithmetic) = (group.places, mixture.expertIntermediateSize, compute.compute)
    let dy = outputGradientRows.view(rows: tape.count).rows(places)
    let (dGate, dUp) = (
      gateGradientRows.view(rows: tape.count).rows(places), upGradientRows.view(rows: tape.count).rows(places)
    )
    let (product, out) = (tape.product.rows(places), returned.rows(places))
    let (gate, up) = (tape.gate.rows(places), tape.up.rows(places))
    func id(_ projection: ParameterRole.Projection) -> ParameterID {
      ParameterID(.feedForward(.expert, projection), layer: layer, expert: group.expert)
    }
    func matrix(_ projection: ParameterRole.Projection, rows: Int, columns: Int) -> StridedMatrix {
      StridedMatrix(values.values(id(projection)), rows: rows, columns: columns, rowStride: columns)
    }
    compute.multiplyAll(
      StridedMatrix(dy), by: matrix(.down, rows: hiddenSize, columns: width), into: dUp, worker: worker)
    for row in 0..<places.count {
      let weight = tape.weights[places.lowerBound + row]
      // By the weight: dy · output = dUp · product, and where the output has a bias dy · bias.
      (out[row] + hiddenSize).update(repeating: 0, count: mixture.topK)
      out[row][hiddenSize] = arithmetic.dot(dUp[row], product[row], count: width)
      if mixture.expertHasBias {
        var down = id(.down)
        down.isBias = true
        out[row][hiddenSize] += arithmetic.dot(dy[row], values.values(down), count: hiddenSize)
      }
      arithmetic.scale(dUp[row], by: weight, into: dUp[row], count: width)
      arithmetic.scale(dy[row], by: weight, into: dy[row], count: hiddenSize)
      arithmetic.activationGradient(
        mixture.activation, gate: gate[row], up: up[row], gradient: dUp[row], gateGradient: dGate[row],
        upGradient: dUp[row], count: width)
    }
    let dx = out.columns(0..<hiddenSize)
    compute.multiplyAll(
      StridedMatrix(dGate), by: matrix(.gate, rows: width, columns: hiddenSize), into: dx, worker: worker)
    compute.multiplyAll(
      StridedMatrix(dUp), by: matrix(.up, rows: width, columns: hiddenSize), into: dx, adding: true, worker: worker)
  }

  /// An own parameter's gradient: dyᵀ · x over its visits, and their sum for a bias.
  private func add(_ id: ParameterID, dy: MatrixView<Float>, x: MatrixView<Float>, worker: Int) {
    let target = MatrixView(values.expertGradient(id), rows: dy.columns, columns: x.columns)
    compute.multiplyAll(StridedMatrix(dy).transposed, by: StridedMatrix(x), into: target, adding: true, worker: worker)
    guard mixture.expertHasBias else { return }
    compute.sumRows(StridedMatrix(dy), into: values.expertGradient(id.bias), adding: true, worker: worker)
  }

  /// Puts the gradients by weights at the numbers of their choices, and adds rows up as the forward pass added outputs.
  private func addUp(_ batch: VisitBatch, _ tape: ExpertTape, _ returned: MatrixView<Float>) {
    let (visits, places, ids, hidden) = (batch.visits.elements, tape.placeOf, batch.experts.elements, hiddenSize)
    let (subtrees, count, topK) = (batch.subtrees.elements, batch.subtrees.count, mixture.topK)
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
