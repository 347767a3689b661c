import Kernels
import Tensors

/// The expert layer of a rank that holds every expert.
package final class LocalExperts: ExpertLayer {
  private let bank: ExpertBank
  private let compute: Compute
  private let hiddenSize: Int
  private var visits = AlignedBuffer<ExpertVisit>(count: 1)
  private var inputs: [UnsafeRawPointer] = []

  package init(bank: ExpertBank, compute: Compute, hiddenSize: Int) {
    self.bank = bank
    self.compute = compute
    self.hiddenSize = hiddenSize
  }

  package func run(
    layer: Int, rows: Int, input: Rows, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws {
    meanwhile()
    let topK = decisions.topK
    let count = rows * topK
    guard count > 0 else { return }
    if visits.count < count { visits = AlignedBuffer(count: count) }
    for i in 0..<count {
      visits.pointer[i] = ExpertVisit(
        row: Int32(i / topK), expert: decisions.experts.pointer[i], weight: decisions.weights.pointer[i])
    }
    inputs.removeAll(keepingCapacity: true)
    for row in 0..<rows { inputs.append(input.form(of: row)) }
    inputs.withUnsafeBufferPointer { inputs in
      bank.run(
        layer: layer, inputs: inputs.baseAddress!, visits: UnsafeBufferPointer(start: visits.pointer, count: count))
    }
    addUp(rows: rows, decisions: decisions, output: output)
  }

  private func addUp(rows: Int, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>) {
    let topK = decisions.topK
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        let sum = bank.sum(
          visits.pointer, first: row * topK, count: topK, ids: decisions.experts.pointer + row * topK, compute)
        (output + row * hiddenSize).update(from: sum, count: hiddenSize)
      }
    }
  }
}
