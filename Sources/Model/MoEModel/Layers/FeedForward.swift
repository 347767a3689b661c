import Kernels
import Telemetry
import Tensors

/// A layer's second half: it adds to the residual stream what it makes of its norm.
protocol FeedForwardLayer: AnyObject {
  /// What the time counts as from its beginning on.
  var phase: Phase { get }

  /// stream += f(norm(stream)). Collective where experts are spread over ranks; the batch may be empty.
  func forward(_ stream: ResidualStream, _ pass: ForwardPass) throws
}

/// down(silu(gate(x)) · up(x)): a block that every token goes through, in three stages between which the workers meet.
struct FeedForward {
  let weights: FeedForwardWeights
  let scratch: FeedForwardScratch
  let compute: Compute

  /// gate(x) and up(x).
  func expand(_ x: Rows, rows: Int, worker: Int) {
    weights.gate.multiply(compute, worker: worker, x, into: scratch.gate(rows: rows))
    weights.up.multiply(compute, worker: worker, x, into: scratch.up(rows: rows))
  }

  /// silu(gate) · up, rounded as `down` wants it.
  func activate(rows: Int, worker: Int) {
    let (gate, up) = (scratch.gate(rows: rows), scratch.up(rows: rows))
    scratch.activated.share(compute, worker: worker, gate.start, stride: gate.stride, count: rows) { row, columns in
      compute.activate(
        .swiGLU, gate: gate[row] + columns.lowerBound, up: up[row] + columns.lowerBound, count: columns.count)
    }
  }

  /// output := down(what `activate` made)
  func contract(into output: MatrixView<Float>, worker: Int) {
    weights.down.multiply(
      compute, worker: worker, scratch.activated.rows(of: scratch.gate(rows: output.rowCount)), into: output)
  }
}

/// Memory between the projections of feed-forward blocks of one width.
final class FeedForwardScratch {
  private let gateRows: RowStorage<Float>
  private let upRows: RowStorage<Float>
  private(set) var activated: RowBuffer

  init(width: Int, rowFormat: RowFormat) {
    gateRows = RowStorage(columns: width)
    upRows = RowStorage(columns: width)
    activated = RowBuffer(rowFormat, columns: width, rows: 0)
  }

  func reserve(rows: Int) {
    gateRows.reserve(rows: rows)
    upRows.reserve(rows: rows)
    activated = activated.reserving(rows: rows)
  }

  func gate(rows: Int) -> MatrixView<Float> { gateRows.view(rows: rows) }
  func up(rows: Int) -> MatrixView<Float> { upRows.view(rows: rows) }
}

/// A feed-forward layer without experts.
final class DenseLayer: FeedForwardLayer {
  private let norm: AlignedBuffer<Float>
  private let block: FeedForward

  init(norm: AlignedBuffer<Float>, block: FeedForward) { (self.norm, self.block) = (norm, block) }

  var phase: Phase { .dense }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let (rows, compute) = (pass.rowCount, block.compute)
    guard rows > 0 else { return }
    block.scratch.reserve(rows: rows)
    compute.pool.run { worker in
      stream.norm(norm, worker: worker)
      compute.pool.barrier(worker: worker)
      block.expand(stream.normed, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      block.activate(rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      block.contract(into: stream.update, worker: worker)
      compute.pool.barrier(worker: worker)
      stream.addUpdate(worker: worker)
    }
  }
}
