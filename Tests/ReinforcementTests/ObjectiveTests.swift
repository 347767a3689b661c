import Backpropagation
import Gradients
import Kernels
import Machine
import Tensors
import Testing

@testable import Reinforcement

/// The gradient of a policy's loss, and how an update is shared out.
struct ObjectiveTests {
  private let logits: [Float] = [0.3, -1.2, 2.1, 0.05, -0.4, 1.1]
  private let reference: [Float] = [0.1, -0.7, 0.6, 0.9, -1.3, 0.2]

  /// log π of a token by float64.
  private func logprob(_ logits: [Double], _ token: Int) -> Double {
    let greatest = logits.max() ?? 0
    var sum = 0.0
    for logit in logits { sum += exponent(logit - greatest) }
    return logits[token] - greatest - logarithm(sum)
  }

  private func exponent(_ x: Double) -> Double {
    var (term, sum) = (1.0, 1.0)
    for n in 1..<60 {
      term *= x / Double(n)
      sum += term
    }
    return sum
  }

  private func logarithm(_ x: Double) -> Double {
    var y = 0.0
    for _ in 0..<60 { y += x / exponent(y) - 1 }
    return y
  }

  /// −min(ρ A, clip(ρ) A) + β (e^d − d − 1).
  private func loss(_ logits: [Double], _ token: PolicyLoss.Token, penalty: Double, _ objective: PolicyObjective)
    -> Double
  {
    let now = logprob(logits, 2)
    let ratio = exponent(now - Double(token.sampled))
    let clipped = min(max(ratio, 1 - objective.clipLow), 1 + objective.clipHigh)
    let advantage = Double(token.weight)
    let apart = logprob(reference.map { Double($0) }, 2) - now
    return -min(ratio * advantage, clipped * advantage) + penalty * (exponent(apart) - apart - 1)
  }

  @Test(arguments: [
    (weight: Float(0.7), sampled: Float(-0.9), penalty: Float(0)), (weight: -0.7, sampled: -0.9, penalty: 0),
    (weight: 0.7, sampled: -2.5, penalty: 0), (weight: -0.7, sampled: -2.5, penalty: 0),
    (weight: -0.7, sampled: -0.1, penalty: 0), (weight: 0.4, sampled: -0.8, penalty: 0.3),
    (weight: 0, sampled: -0.8, penalty: 0.3),
  ])
  func gradientsAreThoseOfTheLoss(_ given: (weight: Float, sampled: Float, penalty: Float)) throws {
    let compute = Compute(pool: try WorkerPool(workerCount: 1), instructionSet: .best)
    var objective = PolicyObjective()
    (objective.clipLow, objective.clipHigh) = (0.2, 0.28)
    let token = PolicyLoss.Token(weight: given.weight, sampled: given.sampled)
    let policy = PolicyLoss(objective)
    policy.begin()
    policy.append(token, penalty: given.penalty)
    policy.begin(rows: 0..<1)
    var (gradient, reference) = (logits, reference)
    let count = gradient.count
    gradient.withUnsafeMutableBufferPointer { logits in
      reference.withUnsafeMutableBufferPointer { reference in
        policy.block = (first: 0, logits: MatrixView(reference.baseAddress!, rows: 1, columns: count))
        let row = LogitRow(number: 0, target: 2, logits: logits.baseAddress!, count: count)
        _ = policy.learn(row, factor: 1, on: compute, worker: 0)
      }
    }
    for i in logits.indices {
      let step = 1e-5
      var (up, down) = (logits.map { Double($0) }, logits.map { Double($0) })
      up[i] += step
      down[i] -= step
      let expected =
        (loss(up, token, penalty: Double(given.penalty), objective)
          - loss(down, token, penalty: Double(given.penalty), objective)) / (2 * step)
      #expect(abs(Double(gradient[i]) - expected) < 2e-5, "logit \(i): \(gradient[i]) and \(expected)")
    }
  }

  @Test func aRowWithoutTargetIsMasked() throws {
    let compute = Compute(pool: try WorkerPool(workerCount: 1), instructionSet: .best)
    let policy = PolicyLoss(PolicyObjective())
    policy.begin()
    policy.append(nil)
    policy.begin(rows: 0..<1)
    var row = logits
    let count = row.count
    let score = row.withUnsafeMutableBufferPointer {
      policy.learn(
        LogitRow(number: 0, target: -1, logits: $0.baseAddress!, count: count), factor: 1, on: compute, worker: 0)
    }
    #expect(score == nil)
    #expect(row.allSatisfy { $0 == 0 })
    #expect(!policy.finding(0).isLearnt)
  }

  @Test func leavesHoldEverySequenceOnceAndAboutAsManyRows() {
    for (rows, leafCount) in [
      ((0..<50).map { 5 + $0 * 7 % 23 }, 8), ([], 4), ([100], 4), ([1, 1, 1], 8), (Array(repeating: 9, count: 64), 3),
    ] {
      let plan = LeafPlan(rows: rows, leafCount: leafCount)
      #expect(plan.leaves.count == leafCount && plan.rowsByLeaf.reduce(0, +) == rows.reduce(0, +))
      #expect(plan.leaves.flatMap { Array($0) } == Array(rows.indices))
      let even = rows.reduce(0, +) / leafCount
      let longest = rows.max() ?? 0
      #expect(plan.rowsByLeaf.allSatisfy { $0 <= even + 2 * longest + 1 })
    }
  }

  @Test func presetsSayWhatWasPublished() throws {
    let r1 = PolicyPreset.r1.values
    #expect(r1.objective.clipHigh == 10 && r1.objective.referencePenalty == 0.001 && r1.groupSize == 16)
    #expect(r1.learningRate == 3e-6 && r1.maxNewTokens == 32_768)
    #expect((r1.promptsPerStep ?? 0) * 16 / r1.objective.updates == 512)
    #expect(PolicyPreset.dapo.values.objective.clipHigh == 0.28 && PolicyPreset.dapo.values.objective.resamples)
    #expect(PolicyPreset.gspo.values.objective.ratio == .sequence)
    #expect(!PolicyPreset.drGRPO.values.objective.dividesByDeviation)
    for preset in PolicyPreset.allCases { try preset.values.objective.check() }
  }
}
