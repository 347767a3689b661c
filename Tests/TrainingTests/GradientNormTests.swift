import JSON
import Testing
import TestSupport
import Training

/// The length of all gradients, in one order of additions.
@Suite struct GradientNormTests {
  private func total(_ values: [Float]) -> Double {
    values.withUnsafeBufferPointer { SquareSum.total($0.baseAddress!, count: $0.count) }
  }

  @Test func clippingIsPyTorchs() throws {
    let values = try #require(try TrainingFixtures.values()["clip"])
    let tensors = try #require(values["tensors"]?.array).map(\.floats)
    let norm = GradientNorm(squares: tensors.enumerated().map { ("\($0)", total($1)) })
    #expect(abs(norm.value / values["norm"]!.double! - 1) < 1e-6)
    #expect(abs(Double(norm.clipFactor(maximum: 1)) / values["factor"]!.double! - 1) < 1e-6)
    #expect(norm.clipFactor(maximum: 40) == 1 && norm.clipFactor(maximum: nil) == 1 && norm.notFinite == nil)
  }

  @Test func sumsAreThoseOfTheDefinition() {
    var generator = SeededGenerator(8)
    for count in [1, 15, 16, 17, 1023, 1024, 1025, 3000] {
      let values = generator.floats(count)
      var sum = 0.0
      for first in stride(from: 0, to: count, by: 1024) {
        var lanes = [Double](repeating: 0, count: 16)
        for i in first..<min(first + 1024, count) { lanes[(i - first) % 16] += Double(values[i]) * Double(values[i]) }
        for half in [8, 4, 2, 1] { for lane in 0..<half { lanes[lane] += lanes[lane + half] } }
        sum += lanes[0]
      }
      #expect(total(values) == sum, "\(count)")
      // Parts that begin with blocks, of whatever ranks, give the same.
      let parts = values.withUnsafeBufferPointer { values in
        [0..<min(1024, count), min(1024, count)..<count].flatMap {
          SquareSum.blocks(values.baseAddress! + $0.lowerBound, count: $0.count)
        }
      }
      #expect(SquareSum.total(parts) == sum, "\(count)")
    }
  }

  @Test func theOrderInWhichTensorsComeDoesNotMatter() {
    let squares = [("b", 1e16), ("a", 1.0), ("c", -1e16 + 3), ("ä", 5), ("B", 0.1)]
    let norm = GradientNorm(squares: squares)
    for _ in 0..<10 { #expect(GradientNorm(squares: squares.shuffled()) == norm) }
  }

  @Test func aTensorWithoutBoundsIsNamed() {
    #expect(GradientNorm(squares: [("z", .nan), ("y", .infinity), ("a", 1)]).notFinite == "y")
    #expect(total([3e38, 3e38]).isFinite)
  }

  @Test func biasesMoveAgainstTheLoad() {
    var bias: [Float] = [0.5, 0.5, 0.5, 0.5]
    LoadBalance.update(&bias, loads: [10, 0, 5, 5], speed: 0.001)
    #expect(bias == [0.5 - Float(0.001), 0.5 + Float(0.001), 0.5, 0.5])
    LoadBalance.update(&bias, loads: [0, 0, 0, 9], speed: 0)
    #expect(bias[3] == 0.5)
  }
}
