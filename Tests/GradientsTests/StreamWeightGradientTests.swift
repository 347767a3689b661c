import Foundation
import Testing

@testable import Gradients
@testable import MoEModel

/// Gradients of hyper-connections' weights are finite differences of what a twin in float64 makes of them.
struct StreamWeightGradientTests {
  private static let cases: [(HyperConnections, isHead: Bool)] =
    [1, 2, 3, 4, 5].flatMap { streams in
      [1, 2, 20].map { (HyperConnections(streams: streams, iterations: $0, epsilon: 1e-3), false) }
        + [(HyperConnections(streams: streams, iterations: 3, epsilon: 1e-6), true)]
    } + [(HyperConnections(streams: 4, iterations: 0, epsilon: 1e-6), false)]

  /// The weights, from what each is a function of.
  private func weights(_ shape: HyperConnections, isHead: Bool, _ arguments: [Double]) -> [Double] {
    let (n, epsilon) = (shape.streams, Double(shape.epsilon))
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    let sums = arguments[..<n].map { sigmoid($0) + epsilon }
    guard !isHead else { return sums }
    let factors = arguments[n..<(2 * n)].map { 2 * sigmoid($0) }
    var matrix = (0..<n).map { j in
      let row = (0..<n).map { exp(arguments[(2 + j) * n + $0]) }
      return row.map { $0 / row.reduce(0, +) + epsilon }
    }
    func divideColumns() {
      for k in 0..<n {
        let sum = (0..<n).reduce(0) { $0 + matrix[$1][k] } + epsilon
        for j in 0..<n { matrix[j][k] /= sum }
      }
    }
    divideColumns()
    for _ in 1..<max(shape.iterations, 1) {
      for j in 0..<n {
        let sum = matrix[j].reduce(0, +) + epsilon
        for k in 0..<n { matrix[j][k] /= sum }
      }
      divideColumns()
    }
    return sums + factors + matrix.flatMap { $0 }
  }

  @Test(arguments: cases.indices) func areFiniteDifferencesOfTheTwin(index: Int) {
    let (shape, isHead) = Self.cases[index]
    let formula = StreamWeightGradient(shape, ofHead: isHead)
    let count = formula.count
    #expect(count == (isHead ? shape.streams : shape.weightCount))
    #expect((0..<formula.scaleCount).flatMap { formula.range(ofScale: $0) } == Array(0..<count))
    for seed in 1...3 as ClosedRange<UInt64> {
      let numbers = [Float].random(count, seed: seed, in: -3...3)
      let base = [Float].random(count, seed: seed + 10, in: -1...1)
      let scale = [Float].random(formula.scaleCount, seed: seed + 20, in: 0.5...1.5)
      let byWeights = [Float].random(count, seed: seed + 30)
      var arguments = base.doubles
      for part in 0..<formula.scaleCount {
        for i in formula.range(ofScale: part) { arguments[i] += Double(numbers[i]) * Double(scale[part]) }
      }
      var found = [Float](repeating: .nan, count: count)
      formula.weigh(numbers, base: base, scale: scale, into: &found)
      #expect(Twin.distance(found, weights(shape, isHead: isHead, arguments)) < 1e-5, "another forward pass")
      var gradients = [Float](repeating: .nan, count: count)
      formula.write(numbers: numbers, base: base, scale: scale, gradients: byWeights, into: &gradients)
      let expected = Twin.differences(
        of: { zip(weights(shape, isHead: isHead, $0), byWeights).reduce(0) { $0 + $1.0 * Double($1.1) } },
        at: arguments)
      #expect(
        zip(gradients, expected).allSatisfy { abs(Double($0) - $1) < 3e-6 },
        "\(shape), \(isHead): \(gradients), \(expected)")
    }
  }

  /// Weights have the bits of the layer's own, and what is not finite stays so.
  @Test func aNaNStaysOne() {
    let shape = HyperConnections(streams: 3, iterations: 4, epsilon: 1e-6)
    let formula = StreamWeightGradient(shape, ofHead: false)
    var numbers = [Float](repeating: 0.5, count: formula.count)
    numbers[7] = .nan
    let zeros = [Float](repeating: 0, count: formula.count)
    var found = zeros
    formula.write(
      numbers: numbers, base: zeros, scale: [1, 1, 1], gradients: [Float](repeating: 1, count: formula.count),
      into: &found)
    #expect(found[..<6].allSatisfy(\.isFinite) && found[6...].contains { $0.isNaN })
  }
}
