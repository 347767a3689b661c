import Tensors

/// Sums of squares in one order, whoever adds which part.
///
/// A tensor's elements, row after row, are cut into blocks of 1024. In a block, lane i adds the squares of the elements
/// i, i + 16, i + 32, … in double precision (a square of fp32 is exact there); the sixteen lanes are added by halves;
/// the blocks' sums are added in ascending order. Whoever has a part of a tensor that begins and ends with blocks can
/// add its blocks, and nobody's sum changes a bit of the total.
package enum SquareSum {
  /// Elements of a block.
  package static let blockLength = 1024

  /// The blocks of so many elements.
  package static func blockCount(_ count: Int) -> Int { (count + blockLength - 1) / blockLength }

  /// One block's sum, or a shorter last one's: `count` elements `[count]`.
  package static func block(_ elements: UnsafePointer<Float>, count: Int) -> Double {
    var lanes = SIMD16<Double>()
    var i = 0
    while i + 16 <= count {
      let values = SIMD16<Double>(UnsafeRawPointer(elements + i).loadUnaligned(as: SIMD16<Float>.self))
      lanes += values * values
      i += 16
    }
    for lane in 0..<(count - i) {
      let value = Double(elements[i + lane])
      lanes[lane] += value * value
    }
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// The sums of all blocks of `count` elements `[count]`, which begin with a block.
  package static func blocks(_ elements: UnsafePointer<Float>, count: Int) -> [Double] {
    stride(from: 0, to: count, by: blockLength).map { block(elements + $0, count: min(blockLength, count - $0)) }
  }

  /// The sum of all blocks' sums, in their order.
  package static func total(_ blocks: some Sequence<Double>) -> Double { blocks.reduce(0, +) }

  /// That of a whole tensor of `count` elements `[count]`.
  package static func total(_ elements: UnsafePointer<Float>, count: Int) -> Double {
    var sum = 0.0
    for first in stride(from: 0, to: count, by: blockLength) {
      sum += block(elements + first, count: min(blockLength, count - first))
    }
    return sum
  }

  /// That of a matrix, whose rows follow each other.
  static func total(_ matrix: MatrixView<Float>) -> Double {
    precondition(matrix.stride == matrix.columns || matrix.rowCount <= 1, "rows with gaps between them")
    return total(matrix.start, count: matrix.rowCount * matrix.columns)
  }
}
