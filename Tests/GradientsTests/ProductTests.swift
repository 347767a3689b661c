import Kernels
import Machine
import TestSupport
import Tensors
import Testing

@testable import Gradients

/// A product, its operands lying as given, in memory with gaps between rows.
private struct ProductCase: CustomStringConvertible {
  var rows: Int, columns: Int, depth: Int
  var aIsTransposed = false, bIsTransposed = false, adding = false, gap = 0
  var precision = ProductPrecision.float32

  var a: [Float] { .random((aIsTransposed ? depth : rows) * aStride, seed: 1) }
  var b: [Float] { .random((bIsTransposed ? columns : depth) * bStride, seed: 2) }
  var c: [Float] { .random(rows * cStride, seed: 3) }
  var aStride: Int { (aIsTransposed ? rows : depth) + gap }
  var bStride: Int { (bIsTransposed ? depth : columns) + gap }
  var cStride: Int { columns + gap }

  var description: String {
    """
    \(rows)×\(columns)×\(depth), transposed \(aIsTransposed) \(bIsTransposed), adding \(adding), gap \(gap), \
    \(precision)
    """
  }

  /// Calls `body` with views of a, b, and of c as it lies at `out`.
  func withViews(
    a: [Float], b: [Float], out: UnsafeMutablePointer<Float>,
    _ body: (StridedMatrix, StridedMatrix, MatrixView<Float>) -> Void
  ) {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        let empty = UnsafePointer(out)
        let left = StridedMatrix(
          a.baseAddress ?? empty, rows: aIsTransposed ? depth : rows, columns: aIsTransposed ? rows : depth,
          rowStride: aStride)
        let right = StridedMatrix(
          b.baseAddress ?? empty, rows: bIsTransposed ? columns : depth, columns: bIsTransposed ? depth : columns,
          rowStride: bStride)
        body(
          aIsTransposed ? left.transposed : left, bIsTransposed ? right.transposed : right,
          MatrixView(out, rows: rows, columns: columns, stride: cStride))
      }
    }
  }

  /// Numbers as they are multiplied.
  private func operand(_ values: [Float]) -> [Float] {
    guard precision == .bfloat16 else { return values }
    return values.map { Float(bitPattern: ($0.bitPattern + 0x7FFF + ($0.bitPattern >> 16 & 1)) & 0xFFFF_0000) }
  }

  func outputs(a: [Float], b: [Float]) throws -> [(set: InstructionSet, values: [Float])] {
    try results(c) { compute, out in
      let gradients = GradientCompute(compute, precision: precision)
      withViews(a: a, b: b, out: out) { gradients.multiplyAll($0, by: $1, into: $2, adding: adding, worker: 0) }
    }
  }

  /// Each output in double precision, and a bound on an fp32 chain's error; nil where c is not written.
  func oracle() -> [(value: Double, bound: Double)?] {
    let (a, b, c) = (operand(self.a), operand(self.b), self.c)
    return c.indices.map { at in
      let (i, j) = (at / cStride, at % cStride)
      guard j < columns else { return nil }
      var (sum, magnitude) = (adding ? Double(c[at]) : 0, adding ? abs(Double(c[at])) : 0)
      for p in 0..<depth {
        let left = Double(aIsTransposed ? a[p * aStride + i] : a[i * aStride + p])
        let right = Double(bIsTransposed ? b[j * bStride + p] : b[p * bStride + j])
        sum += left * right
        magnitude += abs(left * right)
      }
      return (sum, Double(min(depth, 256) + depth / 256 + 2) * Double(Float.ulpOfOne) * magnitude)
    }
  }
}

struct ProductTests {
  private static let cases: [ProductCase] = {
    var cases: [ProductCase] = []
    let sizes = [1, 2, 5, 6, 7, 12, 13, 17, 33, 65]
    for (m, rows) in sizes.enumerated() {
      for (n, columns) in sizes.enumerated() {
        let depths = [0, 1, 3, 17, 64, 256, 257, 600]
        let layout = m + 3 * n
        let depth = depths[layout % depths.count]
        guard rows * columns * depth < 100_000 else { continue }
        cases.append(
          ProductCase(
            rows: rows, columns: columns, depth: depth, aIsTransposed: layout & 1 == 0,
            bIsTransposed: layout & 2 == 0, adding: (m + n) % 3 == 0, gap: layout % 4))
      }
    }
    for layout in 0..<8 {
      for (rows, columns, depth) in [(7, 17, 257), (1, 1, 1), (25, 40, 30), (1, 100, 300), (100, 1, 300)] {
        cases.append(
          ProductCase(
            rows: rows, columns: columns, depth: depth, aIsTransposed: layout & 1 == 0,
            bIsTransposed: layout & 2 == 0, adding: layout & 4 == 0, gap: layout % 3))
      }
    }
    // Operands that lie across, in sixteens and what is left of them.
    for (rows, columns, depth) in [(12, 32, 16), (24, 96, 48), (28, 47, 255), (11, 31, 33), (12, 16, 15)] {
      cases.append(ProductCase(rows: rows, columns: columns, depth: depth, bIsTransposed: true, gap: depth % 2))
    }
    // Past the parts in which it is computed.
    cases.append(ProductCase(rows: 200, columns: 530, depth: 2, aIsTransposed: true, adding: true, gap: 1))
    cases.append(ProductCase(rows: 400, columns: 9, depth: 270, adding: true))
    return cases
      + cases.map {
        var some = $0
        some.precision = .bfloat16
        return some
      }
  }()

  @Test func everyInstructionSetGivesTheReferencesBits() throws {
    for some in Self.cases {
      let (outputs, c) = (try some.outputs(a: some.a, b: some.b), some.c)
      #expect(outputs.agree, "\(some)")
      let untouched = c.indices.filter { $0 % some.cStride >= some.columns }
      #expect(untouched.allSatisfy { outputs[0].values[$0] == c[$0] }, "\(some) writes between rows")
    }
  }

  @Test func theReferenceIsWithinItsErrorBoundOfDoublePrecision() throws {
    for some in Self.cases where some.rows * some.columns * some.depth < 20000 {
      let values = try some.outputs(a: some.a, b: some.b)[0].values
      for (i, expected) in some.oracle().enumerated() {
        guard let (value, bound) = expected, abs(Double(values[i]) - value) > bound else { continue }
        Issue.record("\(some), element \(i): \(values[i]), expected \(value) within \(bound)")
        break
      }
    }
  }

  /// The order of the sum, step by step, where each gives another number.
  @Test func blocksOf256AreSummedApartAndAddedLast() throws {
    let some = ProductCase(rows: 1, columns: 1, depth: 600, adding: true)
    let (a, b) = (some.a, some.b)
    var total: Float = 0
    for first in [0, 256, 512] {
      var sum: Float = 0
      for p in first..<min(first + 256, 600) { sum.addProduct(a[p], b[p]) }
      total = first == 0 ? sum : total + sum
    }
    for output in try some.outputs(a: a, b: b) { #expect(output.values == [some.c[0] + total]) }
  }

  /// What an expert's gradient relies on: to zeros, blocks may be added one after another.
  @Test func blocksAddedToZerosOneByOneAreTheProduct() throws {
    for precision in ProductPrecision.allCases {
      // Of bf16, sums of blocks that are subnormal may be taken for zeros.
      let vanishing: [(Int, Float)] =
        precision == .bfloat16 ? [] : [(600, 1e-38), (600, 64 * .leastNonzeroMagnitude)]
      for (depth, scale) in [(256, 1), (257, 1), (600, 1), (1030, 1)] + vanishing {
        var some = ProductCase(rows: 14, columns: 35, depth: depth, aIsTransposed: true, adding: true, gap: 1)
        some.precision = precision
        // Small numbers, whose products vanish, and zeros of both signs.
        let a = some.a.enumerated().map { $0 % 5 == 0 ? -0.0 : $1 * scale }
        let b = some.b
        let zeros = [Float](repeating: 0, count: some.rows * some.cStride)
        func outputs(_ parts: [Range<Int>]) throws -> [(set: InstructionSet, values: [Float])] {
          try results(zeros) { compute, out in
            let gradients = GradientCompute(compute, precision: precision)
            some.withViews(a: a, b: b, out: out) { a, b, c in
              for part in parts {
                gradients.multiplyAll(
                  a.transposed.rows(part).transposed, by: b.rows(part), into: c, adding: true, worker: 0)
              }
            }
          }
        }
        let whole = try outputs([0..<depth])
        let blocks = try outputs(
          stride(from: 0, to: depth, by: GradientCompute.depthBlock).map {
            $0..<min($0 + GradientCompute.depthBlock, depth)
          })
        #expect(whole.agree && blocks.agree && blocks[0].values.hasSameBits(as: whole[0].values), "\(some)")
      }
    }
  }

  @Test(arguments: 1...3)
  func workersTogetherGiveTheBitsOfOne(workers: Int) throws {
    let gradients = GradientCompute(try Compute(workers: workers))
    for some in Self.cases where some.rows * some.columns > 60 {
      var (alone, together) = (some.c, some.c)
      let (a, b) = (some.a, some.b)
      alone.withUnsafeMutableBufferPointer { alone in
        some.withViews(a: a, b: b, out: alone.baseAddress!) {
          gradients.multiplyAll($0, by: $1, into: $2, adding: some.adding, worker: 0)
        }
      }
      together.withUnsafeMutableBufferPointer { together in
        some.withViews(a: a, b: b, out: together.baseAddress!) { a, b, c in
          gradients.compute.pool.run { worker in
            gradients.multiply(a, by: b, into: c, adding: some.adding, worker: worker)
          }
        }
      }
      #expect(alone.hasSameBits(as: together), "\(some)")
    }
  }

  @Test func workersShareEveryOutputOnce() {
    for workers in [1, 2, 3, 4, 5, 7, 8, 12, 64, 100] {
      for (rows, columns) in [(0, 5), (1, 1), (7, 17), (192, 192), (64, 1000), (1000, 20), (13, 500)] {
        var counts = [Int](repeating: 0, count: rows * columns)
        var largest = 0
        for worker in 0..<workers {
          let part = ProductPart(rows: rows, columns: columns, worker: worker, of: workers)
          for i in part.rows { for j in part.columns { counts[i * columns + j] += 1 } }
          largest = max(largest, part.rows.count * part.columns.count)
        }
        #expect(counts.allSatisfy { $0 == 1 }, "\(rows)×\(columns) by \(workers)")
        if workers <= 4, rows * columns > 10000 {
          #expect(Double(largest) < 1.3 * Double(rows * columns) / Double(workers), "\(rows)×\(columns) by \(workers)")
        }
      }
    }
  }

  @Test func aNaNReachesItsRowOrColumnAndNoOther() throws {
    for some in Self.cases where some.depth > 0 {
      let (i, j, p) = (some.rows / 2, some.columns / 3, some.depth - 1)
      var (a, b) = (some.a, some.b)
      a[some.aIsTransposed ? p * some.aStride + i : i * some.aStride + p] = .nan
      b[some.bIsTransposed ? j * some.bStride + p : p * some.bStride + j] = .infinity
      let outputs = try some.outputs(a: a, b: b)
      #expect(outputs.agree, "\(some)")
      for at in outputs[0].values.indices where at % some.cStride < some.columns {
        let value = outputs[0].values[at]
        let (inRow, inColumn) = (at / some.cStride == i, at % some.cStride == j)
        if value.isNaN != inRow || (!inRow && value.isFinite == inColumn) {
          Issue.record("\(some): \(value) at \(at)")
          break
        }
      }
    }
  }

  @Test func rowsAreSummedInTheOrderOfProducts() throws {
    let x = [Float].random(300 * 19, seed: 4)
    var expected = [Float](repeating: 0, count: 17)
    for j in 0..<17 {
      let (first, second) = (0..<256, 256..<300)
      let sums = [first, second].map { rows in rows.reduce(Float(0)) { $0 + x[$1 * 19 + j] } }
      expected[j] = 5 + (sums[0] + sums[1])
    }
    let outputs = try results([Float](repeating: 5, count: 17)) { compute, out in
      x.withUnsafeBufferPointer {
        let rows = StridedMatrix($0.baseAddress!, rows: 300, columns: 17, rowStride: 19)
        GradientCompute(compute).sumRows(rows, into: out, adding: true, worker: 0)
      }
    }
    for output in outputs { #expect(output.values.hasSameBits(as: expected), "\(output.set)") }
  }

  @Test func inHalfTheSecondOfEachPairComesFirstAndSubnormalsAreZeros() throws {
    var some = ProductCase(rows: 1, columns: 1, depth: 5, adding: true)
    some.precision = .bfloat16
    // In ascending order both ones are lost; 1.00390625 is rounded to 1.
    let a: [Float] = [1, 16_777_216, 1.00390625, -16_777_216, 0x1p-130]
    for output in try some.outputs(a: a, b: [1, 1, 1, 1, 0x1p20]) { #expect(output.values == [some.c[0] + 1]) }
  }

  /// As the sums of others are added elsewhere: what two totals leave may be subnormal, also of totals in bf16, which
  /// are not.
  @Test(arguments: ProductPrecision.allCases, [1, 300])
  func whatIsAddedToAProductMayLeaveASubnormal(precision: ProductPrecision, depth: Int) throws {
    var some = ProductCase(rows: 205, columns: 35, depth: depth, adding: true)
    some.precision = precision
    let a = (0..<some.rows * depth).map { $0 % depth == depth - 1 ? -0x1p-63 as Float : 0 }
    let b = [Float](repeating: 0x1p-63, count: depth * some.columns)
    let c = [Float](repeating: 0x1.8p-126, count: some.rows * some.columns)
    let outputs = try results(c) { compute, out in
      let gradients = GradientCompute(compute, precision: precision)
      some.withViews(a: a, b: b, out: out) { gradients.multiplyAll($0, by: $1, into: $2, adding: true, worker: 0) }
    }
    for output in outputs { #expect(output.values.allSatisfy { $0 == 0x1p-127 }, "\(output.set)") }
  }

  @Test func aSumOfNothingIsZeroOrLeavesWhatWasThere() throws {
    for adding in [false, true] {
      let some = ProductCase(rows: 3, columns: 5, depth: 0, adding: adding)
      for output in try some.outputs(a: [], b: []) {
        #expect(output.values == (adding ? some.c : [Float](repeating: 0, count: 15)))
      }
    }
  }
}
