import Foundation
import Gradients
import Kernels
import Tensors
import TestSupport
import Testing

/// Sizes around the lanes of a sum, and more than one chunk of a row.
private let counts = [1, 2, 15, 16, 17, 64, 255, 257, 1000]
private let betas = [0, 0.1, 0.5, 0.9, 1]

/// Rows to their float64 twin, that to finite differences, and every instruction set to the reference's bits.
struct DivergenceTests {
  @Test(arguments: betas, [1, 2.5])
  func theGradientIsItsTwins(beta: Double, temperature: Double) throws {
    let kind = Divergence(beta: beta, temperature: Float(temperature))
    for n in counts {
      let (student, teacher) = ([Float].random(n, seed: 1, in: -6...6), [Float].random(n, seed: 2, in: -6...6))
      var scores: [DivergenceScore] = []
      let outputs = try results(student) { compute, out in
        var teacher = teacher
        scores.append(
          compute.divergence(kind, student: out, teacher: &teacher, count: n, target: Int32(n - 1), factor: 0.3))
      }
      #expect(outputs.agree && scores.allSatisfy { $0 == scores[0] }, "n \(n)")
      let twin = TwinDivergence(beta: beta, temperature: temperature, teacher: teacher.doubles)
      let gradient = twin.gradient(student.doubles).map { 0.3 * $0 }
      for (value, expected) in zip(outputs[0].values, gradient) { #expect(abs(Double(value) - expected) < 2e-6) }
      #expect(abs(scores[0].divergence - twin.value(student.doubles)) < 1e-5, "n \(n)")
      #expect(abs(scores[0].entropy - TwinDivergence.entropy(student.doubles)) < 1e-5, "n \(n)")
      guard n < 100 else { continue }
      let differences = Twin.differences(of: { 0.3 * twin.value($0) }, at: student.doubles)
      for (value, expected) in zip(gradient, differences) { #expect(abs(value - expected) < 1e-8) }
    }
  }

  @Test(arguments: betas)
  func equalRowsHaveNoDivergence(beta: Double) throws {
    let compute = try Compute(workers: 1)
    for n in counts {
      var student = [Float].random(n, seed: 3, in: -9...9)
      var teacher = student
      let score = compute.divergence(
        Divergence(beta: beta), student: &student, teacher: &teacher, count: n, factor: 1)
      #expect(abs(score.divergence) < 1e-6 && student.allSatisfy { abs($0) < 1e-6 }, "n \(n)")
      if beta == 0 || beta == 1 { #expect(score.divergence == 0 && student.allSatisfy { $0 == 0 }) }
      #expect(score.logprob == nil)
    }
  }

  /// Of two tokens of which a row has one for sure, or nearly.
  @Test func theEndsAreTheKLs() throws {
    let compute = try Compute(workers: 1)
    func value(_ kind: Divergence, _ student: [Float], _ teacher: [Float]) -> Double {
      var (student, teacher) = (student, teacher)
      return compute.divergence(kind, student: &student, teacher: &teacher, count: 2, factor: 1).divergence
    }
    let (p, q) = ([Float(log(0.9)), Float(log(0.1))], [Float(log(0.5)), Float(log(0.5))])
    #expect(abs(value(.reverse, p, q) - (0.9 * log(1.8) + 0.1 * log(0.2))) < 1e-6)
    #expect(abs(value(.forward, p, q) - (0.5 * log(0.5 / 0.9) + 0.5 * log(0.5 / 0.1))) < 1e-6)
    let sure: [Float] = [0, -.infinity]
    #expect(abs(value(.reverse, sure, q) - log(2)) < 1e-6)
    #expect(abs(value(.forward, q, sure) - log(2)) < 1e-6)
    // Of what the other cannot choose: log-probabilities are no less than -104.
    #expect(abs(value(.reverse, q, sure) - (0.5 * log(0.5) + 0.5 * (log(0.5) + 104))) < 1e-6)
    #expect(abs(value(.forward, sure, q) - (0.5 * log(0.5) + 0.5 * (log(0.5) + 104))) < 1e-6)
    // Nothing in common: beta * -log beta + (1 - beta) * -log (1 - beta).
    let other: [Float] = [-.infinity, 0]
    #expect(abs(value(Divergence(beta: 0.25), sure, other) - (0.25 * log(4) + 0.75 * log(4 / 3.0))) < 1e-6)
  }

  @Test(arguments: betas)
  func greatLogitsAreAsTheTwinHasThem(beta: Double) throws {
    let n = 40
    var generator = SeededGenerator(7)
    for sure in [0, 17, 39] {
      var (student, teacher) = (generator.floats(n, in: -1e4...1e4), generator.floats(n, in: -1e4...1e4))
      if sure == 0 { (student, teacher) = ([Float](repeating: -1e4, count: n), [Float](repeating: -1e4, count: n)) }
      student[sure] = 1e4
      teacher[(sure + 1) % n] = 1e4
      let twin = TwinDivergence(beta: beta, temperature: 1, teacher: teacher.doubles)
      var score: DivergenceScore?
      let outputs = try results(student) { compute, out in
        var teacher = teacher
        score = compute.divergence(Divergence(beta: beta), student: out, teacher: &teacher, count: n, factor: 1)
      }
      #expect(outputs.agree)
      for (value, expected) in zip(outputs[0].values, twin.gradient(student.doubles)) {
        #expect(abs(Double(value) - expected) < 1e-5)
      }
      #expect(try abs(#require(score).divergence - twin.value(student.doubles)) < 1e-5)
    }
  }

  @Test(arguments: betas, [Float.nan, .infinity])
  func whatIsNotFiniteIsNaN(beta: Double, bad: Float) throws {
    for n in [1, 16, 300] {
      for position in Set([0, n - 1]) {
        for ofTeacher in [false, true] {
          var rows = [[Float].random(n, seed: 3), [Float].random(n, seed: 4)]
          rows[ofTeacher ? 1 : 0][position] = bad
          var score: DivergenceScore?
          let outputs = try results(rows[0]) { compute, out in
            score = compute.divergence(
              Divergence(beta: beta), student: out, teacher: &rows[1], count: n, target: 0, factor: 1)
            rows[1] = [Float].random(n, seed: 4)
            if ofTeacher { rows[1][position] = bad }
          }
          #expect(outputs.agree && outputs[0].values.allSatisfy(\.isNaN))
          let found = try #require(score)
          #expect(found.divergence.isNaN && found.entropy.isNaN == !ofTeacher)
          #expect(found.logprob?.isNaN == !ofTeacher)
        }
      }
    }
  }

  /// A token that nobody can choose is as if it were not there.
  @Test(arguments: betas)
  func tokensThatCannotComeAddNothing(beta: Double) throws {
    let compute = try Compute(workers: 1)
    let (student, teacher) = ([Float].random(16, seed: 5), [Float].random(16, seed: 6))
    var (short, shortTeacher) = (student, teacher)
    let expected = compute.divergence(
      Divergence(beta: beta), student: &short, teacher: &shortTeacher, count: 16, target: 3, factor: 1)
    let nothing = [Float](repeating: -.infinity, count: 16)
    var (long, longTeacher) = (student + nothing, teacher + nothing)
    let score = compute.divergence(
      Divergence(beta: beta), student: &long, teacher: &longTeacher, count: 32, target: 3, factor: 1)
    #expect(score == expected && long == short + [Float](repeating: 0, count: 16))
  }

  @Test(arguments: betas, [1, 0.7])
  func theScoreIsCrossEntropysAndTheEntropyIsTheRows(beta: Double, temperature: Float) throws {
    let compute = try Compute(workers: 1)
    for n in [3, 100, 2048] {
      let logits = [Float].random(n, seed: UInt64(n), in: -20...20)
      var (student, teacher, other) = (logits, [Float].random(n, seed: 9), logits)
      let score = compute.divergence(
        Divergence(beta: beta, temperature: temperature), student: &student, teacher: &teacher, count: n, target: 1,
        factor: 1)
      let expected = compute.crossEntropy(&other, count: n, target: 1, factor: 1)
      #expect(score.logprob?.bitPattern == expected?.logprob.bitPattern)
      #expect(score.entropy == compute.entropy(logits, count: n))
    }
  }

  @Test func entropyIsTheTwins() throws {
    for n in counts + [5000] {
      let logits = [Float].random(n, seed: 8, in: -5...5)
      var found: [Double] = []
      let outputs = try results(logits) { compute, out in found.append(compute.entropy(out, count: n)) }
      #expect(outputs.agree && outputs[0].values == logits && found.allSatisfy { $0 == found[0] })
      #expect(abs(found[0] - TwinDivergence.entropy(logits.doubles)) < 1e-5, "n \(n)")
    }
    let compute = try Compute(workers: 1)
    #expect(abs(compute.entropy([Float](repeating: 1e4, count: 64), count: 64) - log(64)) < 1e-6)
    #expect(compute.entropy([-1e4, 1e4, -1e4], count: 3) == 0)
    #expect(abs(compute.entropy([2, -.infinity, 2], count: 3) - log(2)) < 1e-6)
    for bad in [Float.nan, .infinity] { #expect(compute.entropy([1, bad, 2], count: 3).isNaN) }
    #expect(compute.entropy([-.infinity, -.infinity], count: 2).isNaN)
  }
}

/// The divergences in double precision, written as their papers do; log-probabilities are bounded as in `divergence.h`.
private struct TwinDivergence {
  var beta: Double
  var temperature: Double
  var teacher: [Double]

  private static func logSoftmax(_ logits: [Double]) -> [Double] {
    let highest = logits.max()!
    let whole = highest + log(logits.reduce(0) { $0 + exp($1 - highest) })
    return logits.map { max($0 - whole, -104) }
  }

  static func entropy(_ logits: [Double]) -> Double { -logSoftmax(logits).reduce(0) { $0 + exp($1) * $1 } }

  /// Σ e^a · (a − b).
  private func kl(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) } }

  private func logs(_ student: [Double]) -> (p: [Double], q: [Double], m: [Double]) {
    let p = Self.logSoftmax(student.map { $0 / temperature }), q = Self.logSoftmax(teacher.map { $0 / temperature })
    return (p, q, zip(p, q).map { log(beta * exp($1) + (1 - beta) * exp($0)) })
  }

  func value(_ student: [Double]) -> Double {
    let (p, q, m) = logs(student)
    if beta == 0 { return kl(q, p) }
    if beta == 1 { return kl(p, q) }
    return beta * kl(q, m) + (1 - beta) * kl(p, m)
  }

  /// By the student's logits.
  func gradient(_ student: [Double]) -> [Double] {
    let (p, q, m) = logs(student)
    if beta == 0 { return zip(p, q).map { (exp($0) - exp($1)) / temperature } }
    let rest = 1 - beta
    let g: [Double] = p.indices.map { beta == 1 ? p[$0] - q[$0] : rest * (p[$0] - m[$0]) }
    let mean: Double = p.indices.reduce(0) { $0 + exp(p[$1]) * g[$1] }
    return zip(p, g).map { exp($0) * ($1 - mean) / temperature }
  }
}
