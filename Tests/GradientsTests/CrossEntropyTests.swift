import CGradients
import Foundation
import Gradients
import Kernels
import Machine
import Tensors
import TestSupport
import Testing

struct CrossEntropyTests {
  private func softmax(_ logits: [Double]) -> [Double] {
    let highest = logits.max()!
    let sum = logits.reduce(0) { $0 + exp($1 - highest) }
    return logits.map { exp($0 - highest) / sum }
  }

  private func logSum(_ logits: [Double]) -> Double {
    let highest = logits.max()!
    return highest + log(logits.reduce(0) { $0 + exp($1 - highest) })
  }

  @Test(arguments: [(n: 1, z: 0), (n: 2, z: 0.1), (n: 17, z: 0), (n: 64, z: 1e-2), (n: 1000, z: 1e-4)])
  func theGradientIsSoftmaxLessTheTarget(n: Int, z: Double) throws {
    for target in Set([0, n / 2, n - 1]) {
      let logits = [Float].random(n, seed: 1, in: -9...9)
      var scores: [TargetScore?] = []
      let outputs = try results(logits) { compute, out in
        scores.append(
          compute.crossEntropy(out, count: n, target: Int32(target), factor: 0.3, zFactor: Float(z)))
      }
      #expect(outputs.agree && scores.allSatisfy { $0 == scores[0] }, "n \(n)")
      let p = softmax(logits.doubles)
      let whole = logSum(logits.doubles)
      let twin = p.indices.map { 0.3 * (p[$0] - ($0 == target ? 1 : 0)) + 2 * z * whole * p[$0] }
      // A certain target's gradient is the difference of two numbers of the factor's size.
      for (value, expected) in zip(outputs[0].values, twin) { #expect(abs(Double(value) - expected) < 1e-6) }
      let score = try #require(scores[0])
      #expect(abs(Double(score.logprob) - (Double(logits[target]) - whole)) < 1e-5 && abs(score.logSum - whole) < 1e-5)
      guard n < 100 else { continue }
      let differences = Twin.differences(
        of: { 0.3 * (logSum($0) - $0[target]) + z * logSum($0) * logSum($0) }, at: logits.doubles)
      for (value, expected) in zip(twin, differences) { #expect(abs(value - expected) < 1e-8) }
    }
  }

  /// As `Sampler.logprobs` computes it.
  @Test func theScoreIsTheSamplersLogProbability() throws {
    let compute = try Compute(workers: 1)
    for n in [3, 100, 2048] {
      var logits = [Float].random(n, seed: UInt64(n), in: -20...20)
      let highest = compute.max(logits, count: n)
      let normalizer = log(Double(compute.sumExp(logits, count: n, shift: highest)))
      let expected = Float(Double(logits[1]) - Double(highest) - normalizer)
      let score = compute.crossEntropy(&logits, count: n, target: 1, factor: 1)
      #expect(score?.logprob.bitPattern == expected.bitPattern)
    }
  }

  @Test func aMaskedRowHasNoGradientAndNoScore() throws {
    for set in InstructionSet.supported {
      let compute = try Compute(workers: 1, set)
      var logits: [Float] = [1, .nan, .infinity, -3]
      #expect(compute.crossEntropy(&logits, count: 4, target: -1, factor: 1, zFactor: 1) == nil)
      #expect(logits == [0, 0, 0, 0])
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsNaNButForTokensThatCannotCome(bad: Float) throws {
    for n in [1, 16, 37] {
      for position in Set([0, n - 1]) {
        var logits = [Float].random(n, seed: 3)
        logits[position] = bad
        var scores: [TargetScore?] = []
        let outputs = try results(logits) { compute, out in
          scores.append(compute.crossEntropy(out, count: n, target: Int32(n / 2), factor: 1, zFactor: 0.1))
        }
        #expect(outputs.agree)
        let score = try #require(scores[0])
        if bad == -.infinity, n > 1 {
          #expect(outputs[0].values.allSatisfy(\.isFinite) && outputs[0].values[position] == 0)
          #expect(score.logprob.isFinite)
        } else {
          #expect(outputs[0].values.allSatisfy(\.isNaN) && score.logprob.isNaN && score.logSum.isNaN)
        }
      }
    }
  }

  @Test(arguments: 1...3)
  func workersShareRows(workers: Int) throws {
    let compute = try Compute(workers: workers)
    let (rows, n, stride) = (7, 20, 23)
    let targets: [Int32] = [0, 19, -1, 5, -1, 7, 2]
    let memory = AlignedBuffer([Float].random(rows * stride, seed: 4))
    let expected = AlignedBuffer([Float].random(rows * stride, seed: 4))
    let alone = (0..<rows).map {
      compute.crossEntropy(expected.pointer + $0 * stride, count: n, target: targets[$0], factor: 0.2, zFactor: 0.01)
    }
    var scores = [TargetScore?](repeating: nil, count: rows)
    scores.withUnsafeMutableBufferPointer { scores in
      let out = scores.baseAddress!
      compute.pool.run { worker in
        compute.crossEntropy(
          MatrixView(memory.pointer, rows: rows, columns: n, stride: stride), targets: targets, factor: 0.2,
          zFactor: 0.01, scores: out, worker: worker)
      }
    }
    #expect(scores == alone && Array(memory.buffer).hasSameBits(as: Array(expected.buffer)))
    #expect(scores.map { $0 == nil } == targets.map { $0 < 0 })
  }

  @Test func theLogarithmIsTheLibrarysWithinTwoUlp() {
    var generator = SeededGenerator(5)
    for i in 0..<20_000 {
      let bits = generator.next()
      let x = i % 2 == 0 ? Double(bitPattern: bits & 0x7fef_ffff_ffff_ffff) : 0.5 + Double(bits >> 11) * 0x1p-52
      let expected = log(x)
      if abs(cg_log(x) - expected) > 2 * max(expected.ulp, 0x1p-56) {
        Issue.record("log \(x): \(cg_log(x)), \(expected)")
      }
    }
    #expect(cg_log(1) == 0 && cg_log(0) == -.infinity && cg_log(.infinity) == .infinity)
    #expect(cg_log(-1).isNaN && cg_log(.nan).isNaN)
  }
}
