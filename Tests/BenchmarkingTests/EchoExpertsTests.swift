import ExpertParallelism
import Kernels
import Machine
import MoEModel
import Tensors
import Testing

@testable import Benchmarking

/// What stands in for experts where dispatch and combine are timed.
struct EchoExpertsTests {
  /// Inputs of one, two and no token more than before; visits of a token fall into one or two subtrees.
  @Test(arguments: [1, 2]) func everySubtreeGetsTheRowOfItsInput(workers: Int) throws {
    let hidden = 24
    let compute = Compute(pool: try WorkerPool(workerCount: workers))
    let echo = EchoExperts(WireFormat(hiddenSize: hidden, tokens: .float32), compute)
    let batch = VisitBatch()
    let input = [Float](repeating: 0, count: hidden)
    for count in [1, 40, 40] {
      batch.begin(layer: 3)
      var rows: [Int] = []
      input.withUnsafeBytes { input in
        for row in 0..<count {
          batch.inputs.append(input.baseAddress!)
          for subtree in 0...(row % 2) {
            batch.append(expert: Int32(2 * subtree), weight: 0.5, beginsSubtree: true)
            batch.append(expert: Int32(2 * subtree + 1), weight: 0.5, beginsSubtree: false)
            rows.append(row)
          }
        }
        echo.compute(batch)
      }
      #expect(batch.outputs.count == rows.count)
      let first = batch.outputs.elements[0]
      for (i, row) in rows.enumerated() { #expect(batch.outputs.elements[i] == first + row * hidden, "subtree \(i)") }
      for i in 0..<count * hidden { #expect(first[i] == 0) }
    }
  }
}
