import Gradients
import Kernels
import Machine
import Tensors
import Testing

/// One head's gradients over random numbers, rows of which lie apart from each other: what holds for every kind.
protocol HeadCase: CustomStringConvertible {
  var tokens: Int { get }
  /// Gradients by all inputs, from the formula; empty for an input that it does not have.
  func twin() -> [[Double]]
  /// The same from finite differences.
  func differences() -> [[Double]]
  /// The same by one worker; nil where something was written between rows.
  func gradients(_ compute: GradientCompute, worker: Int) -> [[Float]]?
}

extension HeadCase {
  /// Rows, as many as tokens unless told, in memory with a gap of three sevens after each.
  func spread(_ numbers: [Double], rows: Int? = nil) -> AlignedBuffer<Float> {
    let rows = rows ?? tokens
    let columns = numbers.count / max(rows, 1)
    let buffer = AlignedBuffer([Float](repeating: 7, count: rows * (columns + 3)))
    for i in numbers.indices { buffer.pointer[i / columns * (columns + 3) + i % columns] = Float(numbers[i]) }
    return buffer
  }

  func view(_ buffer: AlignedBuffer<Float>, rows: Int? = nil) -> MatrixView<Float> {
    let rows = rows ?? tokens
    let stride = rows > 0 ? buffer.count / rows : 3
    return MatrixView(buffer.pointer, rows: rows, columns: stride - 3, stride: stride)
  }

  /// The rows without their gaps; nil where those are no longer sevens.
  func gather(_ buffer: AlignedBuffer<Float>, rows count: Int? = nil) -> [Float]? {
    let rows = view(buffer, rows: count)
    let all = 0..<rows.rowCount
    guard all.allSatisfy({ t in (0..<3).allSatisfy { rows[t][rows.columns + $0] == 7 } }) else { return nil }
    return all.flatMap { t in (0..<rows.columns).map { rows[t][$0] } }
  }

  func expectTheTwinsWithEqualBits(on compute: (InstructionSet) throws -> GradientCompute) throws {
    let reference = try #require(gradients(try compute(.reference), worker: 0))
    for (values, expected) in zip(reference, twin()) where !expected.isEmpty {
      #expect(values.count == expected.count)
      // A gradient that is zero by its formula, as of a lone token's query, is a rounding error here.
      let distance = zip(values, expected).map { abs(Double($0) - $1) }.max()!
      #expect(distance < 2e-5 * max(1, expected.map(abs).max()!), "\(self)")
    }
    for set in InstructionSet.supported {
      let values = try #require(gradients(try compute(set), worker: 0), "\(self) writes between rows")
      #expect(zip(values, reference).allSatisfy { $0.hasSameBits(as: $1) }, "\(self), \(set)")
    }
  }

  func expectFiniteDifferences(within bound: Double) {
    for (twin, differences) in zip(twin(), differences()) where !twin.isEmpty {
      #expect(zip(twin, differences).allSatisfy { abs($0 - $1) < bound }, "\(self)")
    }
  }

  /// Heads have the same gradients whichever of `compute`'s workers take them.
  static func expectTheSame(of heads: [Self], on alone: GradientCompute, sharedOn compute: GradientCompute) {
    let expected = heads.map { $0.gradients(alone, worker: 0) }
    var found = [[[Float]]?](repeating: nil, count: heads.count)
    found.withUnsafeMutableBufferPointer { found in
      nonisolated(unsafe) let (places, heads) = (found, heads)
      compute.compute.pool.run { worker in
        for head in compute.compute.share(of: heads.count, worker: worker) {
          places[head] = heads[head].gradients(compute, worker: worker)
        }
      }
    }
    #expect(found == expected)
  }
}
