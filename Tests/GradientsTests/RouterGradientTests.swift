import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

@testable import Gradients
@testable import MoEModel

/// A router of one kind, and its weights in double precision.
private struct RouterCase: CustomStringConvertible {
  var scoring: RouterDescription.Scoring
  var experts: Int
  var topK: Int
  var normalizes: Bool
  var scale: Float
  var floor: Float = 0

  var description: String {
    "\(scoring), \(topK) of \(experts), normalizes \(normalizes), scale \(scale), floor \(floor)"
  }
  var router: RouterDescription {
    RouterDescription(
      scoring: scoring, hasSelectionBias: false, hasLinearBias: false, groups: nil, normalizes: normalizes,
      normFloor: floor, scale: scale
    )
  }
  var gradient: RouterGradient { RouterGradient(router, expertCount: experts, topK: topK) }

  static let all: [RouterCase] = {
    var cases: [RouterCase] = []
    for scoring in [RouterDescription.Scoring.sigmoid, .softmax, .softmaxOverChosen] {
      for (experts, topK) in [(1, 1), (8, 1), (8, 2), (8, 8), (60, 6)] {
        for (normalizes, scale) in [(false, 1), (true, 1), (true, 2.5), (false, 16)] as [(Bool, Float)] {
          cases.append(
            RouterCase(scoring: scoring, experts: experts, topK: topK, normalizes: normalizes, scale: scale))
        }
      }
    }
    // Above all sums, and below.
    for floor in [2, 1e-6] as [Float] {
      cases.append(
        RouterCase(scoring: .softmax, experts: 8, topK: 3, normalizes: true, scale: 2.5, floor: floor))
    }
    for (experts, topK) in [(1, 1), (8, 2), (60, 6)] {
      for (normalizes, scale) in [(false, 1), (true, 1.5)] as [(Bool, Float)] {
        cases.append(
          RouterCase(scoring: .rootSoftplus, experts: experts, topK: topK, normalizes: normalizes, scale: scale))
      }
    }
    return cases
  }()

  /// What the router itself chooses.
  func decide(_ logits: [Float]) -> (experts: [Int32], weights: [Float]) {
    let moe = MoEDescription(
      expertCount: experts, topK: topK, expertIntermediateSize: 1, activation: .swiGLU, router: router,
      expertHasBias: false, sharedIntermediateSize: nil, sharedIsGated: false)
    var (scores, choice) = (logits, logits)
    var chosen = [Int32](repeating: 0, count: topK)
    var weights = [Float](repeating: 0, count: topK)
    Router(moe).decide(
      logits: logits, selectionBias: nil, scores: &scores, choice: &choice, experts: &chosen, weights: &weights)
    return (chosen, weights)
  }

  /// The weights of given experts.
  func weights(_ logits: [Double], _ chosen: [Int32]) -> [Double] {
    let all = scores(logits)
    var weights = chosen.map { all[Int($0)] }
    if scoring == .softmaxOverChosen { weights = softmax(chosen.map { logits[Int($0)] }) }
    let sum = normalizes ? max(weights.reduce(0, +), Double(floor)) : 1
    return weights.map { $0 / sum * Double(scale) }
  }

  private func scores(_ logits: [Double]) -> [Double] {
    switch scoring {
    case .sigmoid: logits.map { 1 / (1 + exp(-$0)) }
    case .rootSoftplus: logits.map { log(1 + exp($0)).squareRoot() }
    case .softmax, .softmaxOverChosen: softmax(logits)
    }
  }

  /// Scores over their sum.
  func shares(_ logits: [Double]) -> [Double] {
    let scores = scores(logits)
    return scores.map { $0 / scores.reduce(0, +) }
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let weights = logits.map { exp($0 - logits.max()!) }
    return weights.map { $0 / weights.reduce(0, +) }
  }
}

struct RouterGradientTests {
  @Test(arguments: RouterCase.all.indices)
  func logitsGradientsAreFiniteDifferencesOfTheWeights(index: Int) {
    let some = RouterCase.all[index]
    for seed in 1...3 as ClosedRange<UInt64> {
      let logits = [Float].random(some.experts, seed: seed, in: -3...3)
      let (chosen, weights) = some.decide(logits)
      #expect(Twin.distance(weights, some.weights(logits.doubles, chosen)) < 1e-5, "\(some): another forward pass")
      let byWeights = [Float].random(some.topK, seed: seed + 10)
      var found = [Float](repeating: .nan, count: some.experts)
      some.gradient.write(logits: logits, experts: chosen, weightGradients: byWeights, into: &found)
      let expected = Twin.differences(
        of: { zip(some.weights($0, chosen), byWeights).reduce(0) { $0 + $1.0 * Double($1.1) } }, at: logits.doubles)
      let bound = 1e-6 * Double(some.scale)
      #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) < bound }, "\(some)")
      for e in 0..<some.experts where some.scoring != .softmax && !chosen.contains(Int32(e)) { #expect(found[e] == 0) }
    }
  }

  @Test func aNaNStaysOne() {
    for some in RouterCase.all where some.experts == 8 && some.topK == 2 {
      var found = [Float](repeating: 0, count: 8)
      some.gradient.write(
        logits: [1, .nan, 3, 4, 5, 6, 7, 8], experts: [1, 2], weightGradients: [1, 2], into: &found)
      #expect(found[1].isNaN, "\(some)")
      some.gradient.write(
        logits: [1, 2, 3, 4, 5, 6, 7, 8], experts: [1, 2], weightGradients: [.nan, 2], into: &found)
      #expect(found[1].isNaN, "\(some)")
    }
  }

  @Test(arguments: [0, 5, 19, 39, 41, 59, 65, 67])
  func theBalanceLossPullsThroughTheScores(index: Int) {
    let some = RouterCase.all[index]
    let tokens = 6
    let logits = AlignedBuffer([Float].random(tokens * some.experts, seed: 2, in: -3...3))
    let view = MatrixView(logits.pointer, rows: tokens, columns: some.experts)
    let rows = (0..<tokens).map { t in (0..<some.experts).map { view[t][$0] } }
    let chosen = rows.flatMap { some.decide($0).experts }
    let balance = some.gradient.balance(logits: view, experts: chosen, coefficient: 0.7)
    let loads = (0..<some.experts).map { e in
      Double(chosen.count { $0 == Int32(e) }) * Double(some.experts) / Double(some.topK * tokens)
    }
    #expect(Twin.distance(balance.loads, loads) < 1e-6)
    func loss(_ rows: [[Double]]) -> Double {
      0.7 / Double(tokens) * rows.reduce(0) { $0 + zip(some.shares($1), loads).reduce(0) { $0 + $1.0 * $1.1 } }
    }
    #expect(abs(balance.loss - loss(rows.map(\.doubles))) < 1e-6)
    for t in 0..<tokens {
      var found = [Float](repeating: 2, count: some.experts)
      some.gradient.addBalance(balance, logits: view[t], to: &found)
      let expected = Twin.differences(of: { loss([$0]) }, at: rows[t].doubles)
      #expect(zip(found, expected).allSatisfy { abs(Double($0) - 2 - $1) < 1e-6 }, "\(some)")
    }
  }

  @Test(arguments: [0, 5, 19, 39, 41, 59, 65, 67])
  func theBalanceLossOfAWholeSequenceHasTheBitsOfItsRows(index: Int) throws {
    let some = RouterCase.all[index]
    let (tokens, count) = (7, some.experts)
    let logits = AlignedBuffer([Float].random(tokens * count, seed: 3, in: -30...30))
    let view = MatrixView(logits.pointer, rows: tokens, columns: count)
    let chosen = (0..<tokens).flatMap { t in some.decide((0..<count).map { view[t][$0] }).experts }
    let balance = some.gradient.balance(logits: view, experts: chosen, coefficient: 0.3)
    var expected = [Float](repeating: 1, count: tokens * count)
    expected.withUnsafeMutableBufferPointer {
      for t in 0..<tokens { some.gradient.addBalance(balance, logits: view[t], to: $0.baseAddress! + t * count) }
    }
    for set in InstructionSet.supported {
      let found = AlignedBuffer([Float](repeating: 1, count: tokens * count))
      let loss = some.gradient.addBalance(
        coefficient: 0.3, logits: view, experts: chosen,
        to: MatrixView(found.pointer, rows: tokens, columns: count), on: try Compute(workers: 1, set))
      #expect(loss == balance.loss && Array(found.buffer).hasSameBits(as: expected), "\(some), \(set)")
    }
  }

  /// DeepSeek-V3's normaliser must not hide experts whose scores are all small.
  @Test func balanceCountsScoresThatAreTinyOrZero() {
    let some = RouterCase(scoring: .sigmoid, experts: 4, topK: 1, normalizes: true, scale: 1)
    for (logits, share) in [([-80, -80, -80, -80], 0.25), ([-200, -200, -200, -200], 0)] as [([Float], Double)] {
      let buffer = AlignedBuffer(logits)
      let balance = some.gradient.balance(
        logits: MatrixView(buffer.pointer, rows: 1, columns: 4), experts: [2], coefficient: 1)
      #expect(balance.loads == [0, 0, 4, 0] && abs(balance.loss - 4 * share) < 1e-6)
      var found = [Float](repeating: 0, count: 4)
      some.gradient.addBalance(balance, logits: logits, to: &found)
      #expect(found.allSatisfy(\.isFinite) && abs(Double(found[2]) - share * 3 * (share * 4)) < 1e-5)
    }
  }

  /// Where √softplus is zero its gradient is, and no 0 / 0; balance has half the pull there.
  @Test func aRootOfNothingHasNoGradient() {
    let some = RouterCase(scoring: .rootSoftplus, experts: 4, topK: 2, normalizes: true, scale: 1.5)
    let logits: [Float] = [-300, 2, -40, -300]
    var found = [Float](repeating: 7, count: 4)
    some.gradient.write(logits: logits, experts: [0, 1], weightGradients: [1, -2], into: &found)
    #expect(found.allSatisfy(\.isFinite) && found[0] == 0 && found[2] == 0 && found[3] == 0)
    let buffer = AlignedBuffer(logits)
    let balance = some.gradient.balance(
      logits: MatrixView(buffer.pointer, rows: 1, columns: 4), experts: [0, 1], coefficient: 1)
    some.gradient.addBalance(balance, logits: logits, to: &found)
    #expect(found.allSatisfy(\.isFinite) && found[0] == 0)
  }

  @Test func zLossPullsTheLogarithmOfTheSum() {
    let some = RouterCase.all[0]
    let gradient = RouterGradient(some.router, expertCount: 12, topK: 2)
    let logits = [Float].random(12, seed: 4, in: -3...3)
    func loss(_ x: [Double]) -> Double { 0.01 * pow(log(x.reduce(0) { $0 + exp($1) }), 2) }
    var found = [Float](repeating: 1, count: 12)
    let value = gradient.addZLoss(factor: 0.01, logits: logits, to: &found)
    #expect(abs(value - loss(logits.doubles)) < 1e-7)
    let expected = Twin.differences(of: loss, at: logits.doubles)
    #expect(zip(found, expected).allSatisfy { abs(Double($0) - 1 - $1) < 1e-6 })
  }
}
