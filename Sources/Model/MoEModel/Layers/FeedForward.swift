import Kernels
import Machine
import Telemetry
import Tensors

/// A layer's second half: it adds to the residual stream what it makes of its norm.
protocol FeedForwardLayer: AnyObject {
  /// What the time counts as from its beginning on.
  var phase: Phase { get }

  /// stream += f(norm(stream)). Collective where experts are spread over ranks; the batch may be empty.
  func forward(_ stream: ResidualStream, _ pass: ForwardPass) throws

  /// What the last forward pass, of so many rows, left behind; nil where nothing is kept.
  func tape(rows: Int) -> FeedForwardLayerTape?
}

/// down(silu(gate(x)) · up(x)): a block that every token goes through, in three stages between which the workers meet.
///
/// Where ranks share it out, each computes some columns of what lies between (`inner`), and of the output (`outer`).
struct FeedForward {
  let weights: FeedForwardWeights
  let scratch: FeedForwardScratch
  let compute: Compute
  /// Of gate and up.
  var activation = Activation.swiGLU
  var inner: RowSlices?
  var outer: RowSlices?

  /// gate(x) and up(x).
  func expand(_ x: Rows, rows: Int, worker: Int) {
    weights.gate.multiply(compute, worker: worker, x, into: inner.own(of: scratch.gate(rows: rows)))
    weights.up.multiply(compute, worker: worker, x, into: inner.own(of: scratch.up(rows: rows)))
  }

  /// silu(gate) · up, rounded as `down` wants it.
  func activate(rows: Int, worker: Int) {
    let (gate, up, product) = (scratch.gate(rows: rows), scratch.up(rows: rows), scratch.product(rows: rows))
    if let inner {
      activateOwn(rows: rows, worker: worker)
      return inner.gather(product, in: scratch.activated, for: weights.down.rowFormat, compute, worker: worker)
    }
    scratch.activated.share(compute, worker: worker, product.start, stride: product.stride, count: rows) {
      row, columns in
      let first = columns.lowerBound
      compute.activate(
        activation, gate: gate[row] + first, up: up[row] + first, into: product[row] + first, count: columns.count)
    }
  }

  /// Whether silu(gate) · up travels between ranks as `down` wants it.
  private var travelsRounded: Bool { inner?.travel(scratch.activated, for: weights.down.rowFormat) ?? false }

  /// Rounds this rank's columns of silu(gate) · up where they travel so; workers have met after `activateOwn`.
  func roundOwn(rows: Int, worker: Int) {
    guard let inner, travelsRounded else { return }
    scratch.activated.share(compute, worker: worker, scratch.product(rows: rows), columns: inner.own)
  }

  /// Notes silu(gate) · up to be exchanged: with `activateOwn` and `roundOwn` before, and `round` after that, it is
  /// `activate`.
  func noteProduct(rows: Int) {
    if travelsRounded { inner?.note(scratch.activated, rows: rows) } else { inner?.note(scratch.product(rows: rows)) }
  }

  /// silu(gate) · up, complete, rounded as `down` wants it.
  func round(rows: Int, worker: Int) {
    guard !travelsRounded else { return }
    let product = scratch.product(rows: rows)
    scratch.activated.share(compute, worker: worker, product.start, stride: product.stride, count: rows)
  }

  /// silu(gate) · up in this rank's columns.
  func activateOwn(rows: Int, worker: Int) {
    let (gate, up, product) = (scratch.gate(rows: rows), scratch.up(rows: rows), scratch.product(rows: rows))
    let columns = inner?.own ?? 0..<product.columns
    let share = compute.share(of: rows * columns.count, worker: worker)
    var at = share.lowerBound
    while at < share.upperBound {
      let (row, place) = at.quotientAndRemainder(dividingBy: columns.count)
      let count = min(columns.count - place, share.upperBound - at)
      let first = columns.lowerBound + place
      compute.activate(
        activation, gate: gate[row] + first, up: up[row] + first, into: product[row] + first, count: count)
      at += count
    }
  }

  /// output := down(what `activate` made)
  func contract(into output: MatrixView<Float>, worker: Int) {
    weights.down.multiply(
      compute, worker: worker, scratch.activated.rows(of: scratch.product(rows: output.rowCount)),
      into: outer.own(of: output))
  }

  /// What a forward pass of so many rows left behind.
  func tape(rows: Int) -> FeedForwardTape {
    FeedForwardTape(gate: scratch.gate(rows: rows), up: scratch.up(rows: rows))
  }
}

/// Memory between the projections of feed-forward blocks of one width.
final class FeedForwardScratch {
  private let gateRows: RowStorage<Float>
  private let upRows: RowStorage<Float>
  /// Where it does not take the place of the gate.
  private let productRows: RowStorage<Float>?
  private(set) var activated: RowBuffer

  /// `keeps`: what the gate gave is still there afterwards.
  init(width: Int, rowFormat: RowFormat, keeps: Bool = false) {
    productRows = keeps ? RowStorage(columns: width) : nil
    gateRows = RowStorage(columns: width)
    upRows = RowStorage(columns: width)
    activated = RowBuffer(rowFormat, columns: width, rows: 0)
  }

  func reserve(rows: Int) {
    gateRows.reserve(rows: rows)
    upRows.reserve(rows: rows)
    productRows?.reserve(rows: rows)
    activated = activated.reserving(rows: rows)
  }

  func gate(rows: Int) -> MatrixView<Float> { gateRows.view(rows: rows) }
  func up(rows: Int) -> MatrixView<Float> { upRows.view(rows: rows) }
  /// silu(gate) · up
  func product(rows: Int) -> MatrixView<Float> { (productRows ?? gateRows).view(rows: rows) }
}

/// A feed-forward layer without experts.
final class DenseLayer: FeedForwardLayer {
  private let reading: StreamReading
  private let block: FeedForward
  private let input: RowStorage<Float>?

  /// `input`: where its input is kept.
  init(reading: StreamReading, block: FeedForward, input: RowStorage<Float>? = nil) {
    (self.reading, self.block, self.input) = (reading, block, input)
  }

  var phase: Phase { .dense }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let (rows, compute) = (pass.rowCount, block.compute)
    guard rows > 0 else { return }
    block.scratch.reserve(rows: rows)
    input?.reserve(rows: rows)
    compute.pool.run { worker in
      stream.norm(reading, keeping: input, worker: worker)
      compute.pool.barrier(worker: worker)
      block.expand(stream.normed, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      block.activate(rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      block.contract(into: stream.update, worker: worker)
      block.outer.finish(stream.update, compute, worker: worker)
      stream.addUpdate(reading, worker: worker)
    }
  }

  func tape(rows: Int) -> FeedForwardLayerTape? {
    input.map { .dense(input: $0.view(rows: rows), block.tape(rows: rows)) }
  }
}
