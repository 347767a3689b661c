import TestSupport
import Testing

@testable import MoEModel

/// Four rows at once against number by number.
struct SinkhornBalanceTests {
  private static func random(_ count: Int, _ random: inout SeededGenerator) -> [Float] {
    (0..<(count * count)).map { _ in Float.random(in: 0...1, using: &random) }
  }

  private func applied(_ matrix: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [UInt32] {
    var matrix = matrix
    matrix.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
    return matrix.map(\.bitPattern)
  }

  @Test(arguments: [0, 1, 2, 20]) func fourRowsAtOnceHaveTheBitsOfEachByItself(iterations: Int) {
    var generator = SeededGenerator(7)
    let balance = SinkhornBalance(count: 4, iterations: iterations, epsilon: 1e-6)
    for number in 0..<200 {
      var matrix = Self.random(4, &generator)
      switch number {
      case 0: matrix = Array(repeating: 0, count: 16)
      case 1: matrix[5] = .infinity
      case 2: matrix = matrix.map { $0 * (Float.leastNormalMagnitude / 64) }
      case 3: matrix[0] = -0.0
      default: break
      }
      // Of no number the bits are the processor's own.
      let isNumber = { (bits: UInt32) in !Float(bitPattern: bits).isNaN }
      let (found, expected) = (applied(matrix, balance.apply), applied(matrix, balance.applyPlainly))
      #expect(zip(found, expected).allSatisfy { $0 == $1 || !isNumber($0) && !isNumber($1) }, "\(matrix)")
    }
  }

  @Test(arguments: 1...6) func linesComeNearOne(count: Int) {
    var generator = SeededGenerator(UInt64(count))
    let matrix = Self.random(count, &generator).map { $0 + 0.01 }
    let balance = SinkhornBalance(count: count, iterations: 60, epsilon: 1e-7)
    let found = applied(matrix, balance.apply).map { Float(bitPattern: $0) }
    for line in 0..<count {
      let column = (0..<count).reduce(Float(0)) { $0 + found[$1 * count + line] }
      let row = found[(line * count)..<(line * count + count)].reduce(0, +)
      #expect(abs(column - 1) < 1e-3 && abs(row - 1) < 1e-2, "\(count): \(column), \(row)")
    }
  }
}
