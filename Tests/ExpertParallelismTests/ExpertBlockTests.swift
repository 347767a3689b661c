import Kernels
import Machine
import MoEModel
import Tensors
import TestSupport
import Testing

@testable import ExpertParallelism

/// Visits of a training, which workers take in blocks: the bits of matrices that workers share, and all that is kept.
struct ExpertBlockTests {
  private struct Outcome: Equatable {
    var outputs: [[UInt32]] = []
    /// By layer: inputs, gate, up, product, as far as they are kept.
    var tapes: [[[UInt32]]] = []
  }

  private func run(
    _ tokens: RankTokens, experts: Int, topK: Int, threads: Int, _ precision: WeightPrecision, kept: KeptActivations
  ) throws -> Outcome {
    let model = try TinyMoE(expertCount: experts, topK: topK, threads: threads, weights: precision)
    let compute = Compute(pool: try WorkerPool(cores: Array(0..<threads), pin: false, oversubscribed: true))
    let bank = ExpertBank(
      model.description, moe: model.moe, weights: model.weights { _, _ in true }, compute: compute, kept: kept)
    let local = LocalDispatcher(compute: compute, hiddenSize: TinyMoE.hiddenSize)
    var outcome = Outcome()
    for layer in 0..<TinyMoE.layerCount {
      var output = [Float](repeating: .nan, count: tokens.inputs.count)
      try output.withUnsafeMutableBufferPointer { output in
        guard let start = output.baseAddress else { return }
        try tokens.withRows(model, compute) { rows in
          let flight = local.dispatch(rows, count: tokens.count, tokens.decisions(topK: topK), layer: layer)
          if let batch = flight.next() {
            bank.compute(batch)
            flight.finish(batch)
          }
          try local.combine(flight, into: start)
          local.release(flight)
        }
      }
      outcome.outputs.append(output.map(\.bitPattern))
      guard let tape = bank.tape(layer: layer) else { continue }
      outcome.tapes.append(
        [tape.inputs, tape.gate, tape.up, tape.product].map { view in
          (0..<view.rowCount).flatMap { row in (0..<view.columns).map { view[row][$0].bitPattern } }
        })
    }
    return outcome
  }

  /// 24 experts of few visits, and of more than a block each; 3 of more, and 2 of few, whose matrices several workers
  /// share.
  @Test(arguments: [(24, 4, 300), (24, 4, 1800), (3, 2, 700), (2, 1, 40)])
  func blocksGiveTheBitsOfSharedMatrices(experts: Int, topK: Int, count: Int) throws {
    var generator = SeededGenerator(31)
    let tokens = RankTokens(count, expertCount: experts, topK: topK, using: &generator)
    for precision in [WeightPrecision.f32, .bf16] {
      let serving = try run(tokens, experts: experts, topK: topK, threads: 1, precision, kept: .none)
      let alone = try run(tokens, experts: experts, topK: topK, threads: 1, precision, kept: .all)
      #expect(alone.outputs == serving.outputs && serving.tapes.isEmpty)
      #expect(alone.tapes.count == TinyMoE.layerCount)
      for threads in [2, 3] {
        let shared = try run(tokens, experts: experts, topK: topK, threads: threads, precision, kept: .all)
        #expect(shared == alone, "\(threads) threads, \(precision)")
      }
    }
  }
}
