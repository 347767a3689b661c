import Foundation
import Kernels
import Machine
import TestSupport
import Testing

@testable import MoEModel

/// The router against its definition in double precision, over all ways to score and to group.
struct RouterTests {
  struct Case: Sendable, CustomStringConvertible {
    var scoring: RouterDescription.Scoring
    var experts: Int
    var topK: Int
    var groups: RouterDescription.Groups?
    var hasBias: Bool
    var normalizes: Bool
    var scale: Float
    var floor: Float = 0

    var router: RouterDescription {
      RouterDescription(
        scoring: scoring, hasSelectionBias: hasBias, hasLinearBias: false, groups: groups, normalizes: normalizes,
        normFloor: floor, scale: scale)
    }
    var description: String {
      let grouping = groups.map { "\($0.kept) of \($0.count) groups by \($0.score)" } ?? "no groups"
      return
        "\(scoring), top \(topK) of \(experts), \(grouping), bias \(hasBias), normalizes \(normalizes), scale \(scale)"
    }
  }

  static let cases: [Case] = {
    var cases: [Case] = []
    for scoring in [RouterDescription.Scoring.sigmoid, .softmax, .softmaxOverChosen, .rootSoftplus] {
      for (experts, topK) in [(1, 1), (8, 1), (8, 2), (8, 8), (24, 4), (60, 6)] {
        var groupings: [RouterDescription.Groups?] = [nil]
        for (count, kept) in [(2, 1), (4, 2), (4, 3), (4, 4)]
        where experts % count == 0 && topK <= kept * (experts / count) {
          groupings.append(RouterDescription.Groups(count: count, kept: kept, score: .maximum))
          groupings.append(RouterDescription.Groups(count: count, kept: kept, score: .topTwoSum))
        }
        for groups in groupings {
          for (hasBias, normalizes, scale) in [
            (false, false, 1), (true, true, 2.5), (false, true, 1), (true, false, 16),
          ] as [(Bool, Bool, Float)] {
            cases.append(
              Case(
                scoring: scoring, experts: experts, topK: topK, groups: groups, hasBias: hasBias,
                normalizes: normalizes, scale: scale))
          }
        }
      }
    }
    // A floor that half of the sums of softmax scores lie below.
    for (experts, topK) in [(8, 2), (60, 6)] {
      cases.append(
        Case(
          scoring: .softmax, experts: experts, topK: topK, groups: nil, hasBias: true, normalizes: true, scale: 1,
          floor: 0.3))
    }
    return cases
  }()

  /// Ids of the `count` greatest, the lower id first among equals.
  private func greatest(_ count: Int, of scores: [Double]) -> [Int] {
    Array(scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(count))
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let exponentials = logits.map { exp($0) }
    return exponentials.map { $0 / exponentials.reduce(0, +) }
  }

  private func expected(_ test: Case, _ logits: [Float], _ bias: [Float]) -> (experts: [Int32], weights: [Double]) {
    let logits = logits.map(Double.init)
    let scores: [Double]
    switch test.scoring {
    case .sigmoid: scores = logits.map { 1 / (1 + exp(-$0)) }
    case .softmax: scores = softmax(logits)
    case .softmaxOverChosen: scores = logits
    case .rootSoftplus: scores = logits.map { log1p(exp($0)).squareRoot() }
    }
    var choice = scores.indices.map { scores[$0] + (test.hasBias ? Double(bias[$0]) : 0) }
    if let groups = test.groups {
      let size = test.experts / groups.count
      let groupScores = (0..<groups.count).map { group in
        let members = choice[(group * size)..<((group + 1) * size)].sorted(by: >)
        return groups.score == .maximum || members.count == 1 ? members[0] : members[0] + members[1]
      }
      let kept = greatest(groups.kept, of: groupScores)
      for e in choice.indices where !kept.contains(e / size) { choice[e] = -.infinity }
    }
    let experts = greatest(test.topK, of: choice).sorted()
    var weights = experts.map { scores[$0] }
    if test.scoring == .softmaxOverChosen { weights = softmax(weights) }
    if test.normalizes { weights = weights.map { $0 / max(weights.reduce(0, +), Double(test.floor)) } }
    return (experts.map { Int32($0) }, weights.map { $0 * Double(test.scale) })
  }

  private func decide(
    _ test: Case, _ logits: [Float], _ bias: [Float], on compute: Compute? = nil
  ) -> (experts: [Int32], weights: [Float]) {
    let router = Router(
      MoEDescription(
        expertCount: test.experts, topK: test.topK, expertIntermediateSize: 1, activation: .swiGLU, router: test.router,
        expertHasBias: false, sharedIntermediateSize: nil, sharedIsGated: false))
    var scores = [Float](repeating: .nan, count: test.experts)
    var choice = scores
    var experts = [Int32](repeating: -1, count: test.topK)
    var weights = [Float](repeating: .nan, count: test.topK)
    bias.withUnsafeBufferPointer { bias in
      router.decide(
        logits: logits, selectionBias: test.hasBias ? bias.baseAddress : nil, scores: &scores, choice: &choice,
        experts: &experts, weights: &weights, on: compute)
    }
    return (experts, weights)
  }

  private func check(_ test: Case, _ logits: [Float], _ bias: [Float]) {
    let found = decide(test, logits, bias)
    let expected = expected(test, logits, bias)
    #expect(found.experts == expected.experts, "logits \(logits), bias \(bias)")
    for (weight, exact) in zip(found.weights, expected.weights) {
      // A sum of up to 60 terms, each rounded a few times.
      #expect(abs(Double(weight) - exact) <= 100 * 0x1p-24 * abs(exact), "logits \(logits), bias \(bias)")
    }
  }

  @Test(arguments: cases)
  func choicesAndWeightsFollowTheDefinition(test: Case) {
    var generator = SeededGenerator(UInt64(test.experts * 31 + test.topK))
    for _ in 0..<40 {
      let logits = (0..<test.experts).map { _ in generator.float() * 6 }
      check(test, logits, (0..<test.experts).map { _ in generator.float() })
    }
  }

  /// Few different logits, equal biases: most choices are between equals. The two sides' sums of two equal scores and
  /// biases round alike, so that ties are ties in both precisions.
  @Test(arguments: cases)
  func amongEqualsTheLowerIDsAreChosen(test: Case) {
    var generator = SeededGenerator(UInt64(test.experts * 37 + test.topK))
    for _ in 0..<40 {
      let logits = (0..<test.experts).map { _ in Float(Int.random(in: 0...2, using: &generator)) - 1 }
      check(test, logits, [Float](repeating: 0.25, count: test.experts))
    }
    check(test, [Float](repeating: 0.5, count: test.experts), [Float](repeating: -2, count: test.experts))
  }

  /// Sigmoids of a vector kernel are those that are computed one by one.
  @Test func aVectorKernelChoosesAndWeighsTheSame() throws {
    var generator = SeededGenerator(41)
    for isa in InstructionSet.supported {
      let compute = Compute(pool: try .init(workerCount: 1), instructionSet: isa)
      for test in Self.cases where test.scoring == .sigmoid {
        let logits = (0..<test.experts).map { _ in generator.float() * 20 }
        let bias = (0..<test.experts).map { _ in generator.float() }
        let (plain, found) = (decide(test, logits, bias), decide(test, logits, bias, on: compute))
        #expect(found.experts == plain.experts && found.weights == plain.weights, "\(test) with \(isa)")
      }
    }
  }

  @Test func theSelectionBiasChoosesButDoesNotWeigh() {
    let test = Case(scoring: .sigmoid, experts: 4, topK: 1, groups: nil, hasBias: true, normalizes: false, scale: 1)
    let found = decide(test, [3, 0, 0, 0], [0, 0, 5, 0])
    #expect(found.experts == [2])
    #expect(found.weights == [0.5])
  }

  @Test(arguments: cases)
  func logitsThatAreNotFiniteStillGiveDifferentExpertsInOrder(test: Case) {
    for value in [Float.nan, .infinity, -.infinity] {
      for broken in [0..<test.experts, 0..<1, (test.experts - 1)..<test.experts] {
        var logits = (0..<test.experts).map { Float($0) / 8 }
        for e in broken { logits[e] = value }
        let experts = decide(test, logits, [Float](repeating: 0, count: test.experts)).experts
        #expect(experts.allSatisfy { (0..<Int32(test.experts)).contains($0) })
        #expect(zip(experts, experts.dropFirst()).allSatisfy { $0 < $1 })
      }
    }
  }
}
