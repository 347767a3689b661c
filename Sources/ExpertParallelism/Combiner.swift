import Fabric
import Kernels
import MoEModel
import Tensors

/// Adds up, on a token's home rank, the partial sums that came back for it.
final class Combiner {
  private let placement: ExpertPlacement
  private let compute: Compute
  private let hiddenSize: Int
  /// For each local token, the start of its entries; entries are ascending in id.
  private var starts: [Int] = []
  private var ids: [Int32] = []
  private var rows: [UnsafeMutablePointer<Float>] = []

  init(placement: ExpertPlacement, compute: Compute, hiddenSize: Int) {
    self.placement = placement
    self.compute = compute
    self.hiddenSize = hiddenSize
  }

  /// output `[rows, hidden]` := each token's total. `ownRows` are this rank's partial sums, `returned[r]` those of rank r,
  /// both in the plan's order; they are overwritten.
  func combine(
    plan: DispatchPlan, rows count: Int, own: Rank, ownRows: ArraySlice<UnsafeMutablePointer<Float>>,
    returned: [UnsafeMutablePointer<Float>?], output: UnsafeMutablePointer<Float>
  ) {
    guard count > 0 else { return }
    collect(plan, count: count, own: own, ownRows: ownRows, returned: returned)
    let (starts, rows, compute, hidden) = (starts, rows, compute, hiddenSize)
    ids.withUnsafeBufferPointer { ids in
      compute.pool.run { worker in
        for token in compute.share(of: count, worker: worker) {
          let first = starts[token]
          let total = output + token * hidden
          var left = starts[token + 1] - first - 1
          if left == 0 { total.update(from: rows[first], count: hidden) }
          CombineTree.visit(ids.baseAddress! + first, count: left + 1) { target, source in
            left -= 1
            // The last addition gives the total.
            let sum = left == 0 ? total : rows[first + target]
            compute.sum(rows[first + target], rows[first + source], into: sum, count: hidden)
          }
        }
      }
    }
  }

  private func collect(
    _ plan: DispatchPlan, count: Int, own: Rank, ownRows: ArraySlice<UnsafeMutablePointer<Float>>,
    returned: [UnsafeMutablePointer<Float>?]
  ) {
    starts.removeAll(keepingCapacity: true)
    starts.append(contentsOf: repeatElement(0, count: count + 1))
    var total = 0
    for destination in plan.destinations {
      for token in destination.returnedTokens { starts[Int(token) + 1] += 1 }
      total += destination.returnedTokens.count
    }
    for token in 0..<count { starts[token + 1] += starts[token] }
    ids.removeAll(keepingCapacity: true)
    ids.append(contentsOf: repeatElement(-1, count: total))
    rows.removeAll(keepingCapacity: true)
    rows.append(contentsOf: repeatElement(output0, count: total))
    for (rank, destination) in plan.destinations.enumerated() {
      for (i, token) in destination.returnedTokens.enumerated() {
        let row = rank == own.index ? ownRows[ownRows.startIndex + i] : returned[rank]! + i * hiddenSize
        insert(destination.returnedIDs[i], row, token: Int(token))
      }
    }
  }

  /// Stands in for rows not yet known.
  private let output0 = UnsafeMutablePointer<Float>(bitPattern: 64)!

  /// Puts an entry among its token's, which fill up from the front in ascending order.
  private func insert(_ id: Int32, _ row: UnsafeMutablePointer<Float>, token: Int) {
    var at = starts[token]
    while ids[at] != -1 { at += 1 }
    while at > starts[token], ids[at - 1] > id {
      ids[at] = ids[at - 1]
      rows[at] = rows[at - 1]
      at -= 1
    }
    ids[at] = id
    rows[at] = row
  }
}
