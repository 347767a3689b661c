import Kernels
import Machine
import Tensors

/// Routed experts of which each rank holds some rows of every matrix: every rank has all tokens, computes some columns
/// of each visit, and no rank waits for the one whose experts were chosen most.
///
/// All visits of a layer are one batch; what lies between gate and down is gathered once for all of them. Of each
/// output row only this rank's columns are written.
package final class DividedExperts: RoutedExperts {
  private let compute: Compute
  private let hiddenSize: Int
  private let intermediateSize: Int
  private let activation: Activation
  private let expertsByLayer: [[FeedForwardWeights?]]
  /// By layer: of the shared expert, whose inner rows travel with the others'.
  private let sharedByLayer: [PackedMatrix?]
  private let next: NextWeights?
  private let weights: ModelWeights
  private let inner: RowSlices
  private let outer: RowSlices
  private let order: ExpertOrder
  private let gateRows: RowStorage<Float>
  private let upRows: RowStorage<Float>
  /// Input rows by place, an expert's side by side; and what lies between.
  private var gathered: RowBuffer
  private var activated: RowBuffer

  /// `weights` of a model whose description is sliced, with its experts.
  package init(
    _ description: DecoderDescription, moe: MoEDescription, weights: ModelWeights, compute: Compute,
    slices gatherer: SliceGatherer
  ) {
    (self.compute, self.weights) = (compute, weights)
    (hiddenSize, intermediateSize) = (description.hiddenSize, moe.expertIntermediateSize)
    activation = moe.activation
    expertsByLayer = weights.runLayers.map { layer in
      if case .moe(let moe) = layer.feedForward { moe.experts } else { [] }
    }
    sharedByLayer = weights.runLayers.map { layer in
      if case .moe(let moe) = layer.feedForward { moe.shared?.down } else { nil }
    }
    next = gatherer.fetches ? NextWeights(workerCount: compute.workerCount) : nil
    inner = RowSlices(gatherer: gatherer, ranges: gatherer.slice.ranges(of: intermediateSize), next: next)
    outer = RowSlices(gatherer: gatherer, ranges: gatherer.slice.ranges(of: hiddenSize))
    order = ExpertOrder(expertCount: moe.expertCount, workerCount: compute.workerCount, mayClaim: false)
    gateRows = RowStorage(columns: intermediateSize)
    upRows = RowStorage(columns: intermediateSize)
    gathered = RowBuffer(weights.expertRowFormat, columns: hiddenSize, rows: 0)
    activated = RowBuffer(weights.expertRowFormat, columns: intermediateSize, rows: 0)
  }

  package var rowFormat: RowFormat { gathered.format }
  package var exchangesSlices: Bool { true }

  package func compute(_ batch: VisitBatch) {
    let visits = UnsafeBufferPointer(start: batch.visits.elements, count: batch.visits.count)
    order.sort(visits)
    guard visits.count > 0 else { return }
    batch.distinctExpertCount = order.groups.count
    for storage in [gateRows, upRows] { storage.reserve(rows: visits.count) }
    gathered = gathered.reserving(rows: visits.count)
    activated = activated.reserving(rows: visits.count)
    let products = MatrixView(batch.reserveProducts(visits.count * hiddenSize), rows: visits.count, columns: hiddenSize)
    run(
      expertsByLayer[batch.layer], shared: sharedByLayer[batch.layer], inputs: batch.inputs.elements, visits, products)
    let (subtrees, count, ids) = (batch.subtrees.elements, batch.subtrees.count, batch.experts.elements)
    let (rows, places, columns) = (batch.outputs.extend(by: count), order.placeOf.pointer, outer.own)
    compute.pool.run { worker in
      for i in compute.share(of: count, worker: worker) {
        rows[i] = sum(visits, of: subtrees[i], ids: ids, products: products, places: places, columns)
      }
    }
  }

  /// Computes this rank's columns of each visit's output, at its place in `outputs` `[visits, hidden]`.
  private func run(
    _ experts: [FeedForwardWeights?], shared: PackedMatrix?, inputs: UnsafePointer<UnsafeRawPointer>,
    _ visits: UnsafeBufferPointer<ExpertVisit>, _ outputs: MatrixView<Float>
  ) {
    let (gate, up) = (gateRows.view(rows: visits.count), upRows.view(rows: visits.count))
    let (ownGate, ownUp, ownOutputs) = (inner.own(of: gate), inner.own(of: up), outer.own(of: outputs))
    let (groups, visitAt, own) = (order.groups, order.visitAt.pointer, inner.own)
    let (gathered, activated, hidden, next) = (gathered, activated, hiddenSize, next)
    compute.pool.run { worker in
      for place in compute.share(of: visits.count, worker: worker) {
        let input = inputs[Int(visits[Int(visitAt[place])].row)]
        if gathered.format == .float32 {
          UnsafeMutableRawPointer(outputs[place]).copyMemory(from: input, byteCount: hidden * 4)
        } else {
          gathered.copy(row: place, from: input)
        }
      }
      compute.pool.barrier(worker: worker)
      let x = gathered.rows(of: outputs)
      for group in groups {
        experts[group.expert]?.gateAndUp(
          compute, worker: worker, x: x.from(group.first), count: group.count, gate: ownGate[group.first],
          up: ownUp[group.first], stride: gate.stride)
      }
      compute.pool.barrier(worker: worker)
      for row in compute.share(of: visits.count, worker: worker) {
        compute.activate(activation, gate: ownGate[row], up: ownUp[row], into: ownGate[row], count: own.count)
      }
      if let next {
        next.clear(worker: worker)
        for group in groups { next.add(experts[group.expert]?.down.run(worker: worker), worker: worker) }
        next.add(shared?.run(worker: worker), worker: worker)
      }
      // All have read the inputs when it returns: where they are fp32, their rows take the results.
      inner.gather(gate, in: activated, for: activated.format, compute, worker: worker)
      let y = activated.rows(of: gate)
      for group in groups {
        experts[group.expert]?.down.multiply(
          compute, worker: worker, x: y.from(group.first), count: group.count, y: ownOutputs[group.first],
          yStride: outputs.stride)
      }
    }
  }

  /// Σ weight(v) · product(v), along `CombineTree`, in these columns of a subtree's visits; overwrites their products,
  /// the first of which becomes the sum.
  private func sum(
    _ visits: UnsafeBufferPointer<ExpertVisit>, of subtree: VisitBatch.Subtree, ids: UnsafePointer<Int32>,
    products: MatrixView<Float>, places: UnsafePointer<Int32>, _ columns: Range<Int>
  ) -> UnsafeMutablePointer<Float> {
    let first = subtree.first
    func product(_ visit: Int) -> UnsafeMutablePointer<Float> { products[Int(places[visit])] + columns.lowerBound }
    for visit in first..<(first + subtree.count) {
      compute.scale(product(visit), by: visits[visit].weight, into: product(visit), count: columns.count)
    }
    CombineTree.visit(ids + first, count: subtree.count) { target, source in
      compute.add(product(first + source), to: product(first + target), count: columns.count)
    }
    return products[Int(places[first])]
  }
}
