import Kernels
import Machine
import Tensors

/// The forward pass of a training: each worker takes some visits of an expert through all of it, and waits for nobody.
/// Rows do not depend on each other, so that their bits are those of matrices which workers share.
extension ExpertBank {
  /// As many visits as the backward pass takes at a time: their rows are in the second-level cache for all that is made
  /// of them.
  package static let blockVisits = 256

  /// The blocks of all groups; nil where workers had better share matrices, since some would have none at the end, or
  /// weights of another node.
  func blocks(_ order: ExpertOrder) -> [ExpertOrder.Group]? {
    guard !blockRows.isEmpty else { return nil }
    let blocks = order.groups.flatMap { group in
      stride(from: group.first, to: group.first + group.count, by: Self.blockVisits).map { first in
        ExpertOrder.Group(
          expert: group.expert, first: first, count: min(Self.blockVisits, group.first + group.count - first))
      }
    }
    return compute.workerCount == 1 || blocks.count >= 8 * compute.workerCount ? blocks : nil
  }

  /// Computes expert(v)(inputs[row(v)]) for each visit v of `blocks`, `[hidden]`, at its place in `outputs`.
  func run(
    _ blocks: [ExpertOrder.Group], _ batch: VisitBatch, _ tape: ExpertTape, outputs: UnsafeMutablePointer<Float>
  ) {
    let (experts, compute, next, blockRows) = (expertsByLayer[batch.layer], compute, nextClaim, blockRows)
    let (inputs, visits, visitAt) = (batch.inputs.elements, batch.visits.elements, tape.visitAt)
    let (kept, x) = (tape.inputs.start, gathered.rows(of: tape.inputs.start, stride: hiddenSize))
    compute.pool.run { worker in
      while true {
        let task = next.take()
        guard task < blocks.count else { return }
        if worker == 0 { compute.pool.polled?.poll() }
        let block = blocks[task]
        for place in block.first..<(block.first + block.count) {
          bring(inputs[Int(visits[Int(visitAt[place])].row)], to: place, kept, keeps: true)
        }
        // Placements send visits only to where their expert is held.
        guard let expert = experts[block.expert] else { preconditionFailure("a visit to an expert that is elsewhere") }
        run(
          block, expert, x.from(block.first), tape, rounded: blockRows[worker],
          outputs: outputs + block.first * hiddenSize, worker: worker)
      }
    }
  }

  /// `x`: the block's rows; `outputs`: where theirs go.
  private func run(
    _ block: ExpertOrder.Group, _ expert: FeedForwardWeights, _ x: Rows, _ tape: ExpertTape, rounded: RowBuffer,
    outputs: UnsafeMutablePointer<Float>, worker: Int
  ) {
    let (width, at) = (intermediateSize, block.first * intermediateSize)
    let (gate, up, product) = (tape.gate.start + at, tape.up.start + at, tape.product.start + at)
    expert.gate.multiplyAll(compute, worker: worker, x: x, count: block.count, y: gate, yStride: width)
    expert.up.multiplyAll(compute, worker: worker, x: x, count: block.count, y: up, yStride: width)
    for row in 0..<block.count {
      let start = row * width
      compute.activate(activation, gate: gate + start, up: up + start, into: product + start, count: width)
      rounded.round(compute, row: row, product + start)
    }
    expert.down.multiplyAll(
      compute, worker: worker, x: rounded.rows(of: product, stride: width), count: block.count, y: outputs,
      yStride: hiddenSize)
  }

  /// Brings a visit's input to its place, in the form in which it enters products; with its numbers where it `keeps`
  /// them.
  func bring(_ input: UnsafeRawPointer, to place: Int, _ rows: UnsafeMutablePointer<Float>, keeps: Bool) {
    let hidden = hiddenSize
    guard gathered.format != .float32 else {
      return UnsafeMutableRawPointer(rows + place * hidden).copyMemory(from: input, byteCount: hidden * 4)
    }
    gathered.copy(row: place, from: input)
    guard keeps else { return }
    let bits = input.assumingMemoryBound(to: UInt16.self)
    for i in 0..<hidden { rows[place * hidden + i] = Float(bitPattern: UInt32(bits[i]) << 16) }
  }
}
