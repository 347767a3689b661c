import Foundation
import Gradients
import Kernels
import Machine
import TestSupport

/// Finite differences and comparisons that all tests of gradients use.
enum Twin {
  /// The gradient of `loss` at x by central differences; its error is about 1e-9 where the loss is smooth and of order
  /// 1.
  static func differences(of loss: ([Double]) -> Double, at x: [Double]) -> [Double] {
    x.indices.map { i in
      var (above, below) = (x, x)
      let step = 1e-5 * max(1, abs(x[i]))
      above[i] += step
      below[i] -= step
      return (loss(above) - loss(below)) / (2 * step)
    }
  }

  /// The largest difference of two vectors, in units of the larger one's largest element.
  static func distance(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    let scale = max((a + b).map(abs).max() ?? 0, 1e-30)
    return zip(a, b).map { abs($0 - $1) / scale }.reduce(0) { $1 > $0 || $1.isNaN ? $1 : $0 }
  }

  static func distance(_ a: [Float], _ b: [Double]) -> Double { distance(a.map(Double.init), b) }
}

extension [Float] {
  var doubles: [Double] { map(Double.init) }

  /// Equal bits, any NaN being equal to any other.
  func hasSameBits(as other: [Float]) -> Bool {
    count == other.count && zip(self, other).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
  }

  static func random(_ count: Int, seed: UInt64, in range: ClosedRange<Float> = -2...2) -> [Float] {
    var generator = SeededGenerator(seed)
    return generator.floats(count, in: range)
  }
}

extension Compute {
  convenience init(workers: Int, _ instructionSet: InstructionSet = .best) throws {
    self.init(pool: try WorkerPool(workerCount: workers), instructionSet: instructionSet)
  }
}

/// What a call writes into a buffer that holds `initial`, on each instruction set; the reference's first.
func results(
  _ initial: [Float], _ call: (Compute, UnsafeMutablePointer<Float>) throws -> Void
) throws -> [(set: InstructionSet, values: [Float])] {
  try ([.reference] + InstructionSet.supported.filter { $0 != .reference }).map { set in
    // What lies around the buffer must not change.
    let margin = [Float](repeating: -0x1.c0ffeep+70, count: 16)
    var buffer = margin + initial + margin
    let compute = try Compute(workers: 1, set)
    try buffer.withUnsafeMutableBufferPointer { try call(compute, $0.baseAddress! + margin.count) }
    let intact = buffer.prefix(16).elementsEqual(margin) && buffer.suffix(16).elementsEqual(margin)
    return (set, intact ? Array(buffer.dropFirst(16).dropLast(16)) : [])
  }
}

extension [(set: InstructionSet, values: [Float])] {
  /// Whether all wrote the same bits, and nothing beside their buffers.
  var agree: Bool { allSatisfy { $0.values.count == first?.values.count && $0.values.hasSameBits(as: self[0].values) } }
}
