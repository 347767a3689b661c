import CGradients
import Kernels
import Tensors

/// Products of matrices that are made anew each step; definition and order of summation in `product.h`. A number of C
/// is the same whoever computes it.
extension GradientCompute {
  /// Summands of one chain.
  package static var depthBlock: Int { Int(CG_DEPTH_BLOCK) }

  /// C = A · B, or C += A · B, by all workers together, each of which must call it with its number, `worker`:
  /// `[m, k] · [k, n]`, `c` being `[m, n]`. C overlaps neither. It is whole after the next barrier.
  ///
  /// Gradients of a weight are `dy.transposed · x`, those of its input `dy · W`. `precision`: this one's, if not all
  /// products'.
  package func multiply(
    _ a: StridedMatrix, by b: StridedMatrix, into c: MatrixView<Float>, adding: Bool = false,
    precision: ProductPrecision? = nil, worker: Int
  ) {
    let part = ProductPart(rows: c.rowCount, columns: c.columns, worker: worker, of: compute.workerCount)
    guard !part.rows.isEmpty, !part.columns.isEmpty else { return }
    let own = MatrixView(
      c.start + part.rows.lowerBound * c.stride + part.columns.lowerBound, rows: part.rows.count,
      columns: part.columns.count, stride: c.stride)
    multiplyAll(
      a.rows(part.rows), by: b.columns(part.columns), into: own, adding: adding, precision: precision, worker: worker)
  }

  /// What `multiply` has a worker compute of a product of so many rows and columns.
  package func part(rows: Int, columns: Int, worker: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let part = ProductPart(rows: rows, columns: columns, worker: worker, of: compute.workerCount)
    return (part.rows, part.columns)
  }

  /// The same by `worker` alone.
  package func multiplyAll(
    _ a: StridedMatrix, by b: StridedMatrix, into c: MatrixView<Float>, adding: Bool = false,
    precision: ProductPrecision? = nil, worker: Int
  ) {
    precondition(
      a.columns == b.rows && a.rows == c.rowCount && b.columns == c.columns, "matrices that do not fit each other")
    var product = cg_product(
      rows: c.rowCount, columns: c.columns, depth: a.columns, a: a.start, a_row_stride: a.rowStride,
      a_column_stride: a.columnStride, b: b.start, b_row_stride: b.rowStride, b_column_stride: b.columnStride,
      c: c.start, c_stride: c.stride, add: adding, bf16: (precision ?? self.precision) == .bfloat16)
    cg_multiply(compute.isa, &product, scratch(worker))
  }

  /// sums[j] = the sum of x's rows, or sums[j] += it, `[columns]`, by `worker` alone, in the order of products: the
  /// gradient of a bias.
  package func sumRows(_ x: StridedMatrix, into sums: UnsafeMutablePointer<Float>, adding: Bool = false, worker: Int) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 1) { one in
      one[0] = 1
      let ones = StridedMatrix(one.start, rows: 1, columns: x.rows, rowStride: 0, columnStride: 0)
      multiplyAll(
        ones, by: x, into: MatrixView(sums, rows: 1, columns: x.columns), adding: adding, precision: .float32,
        worker: worker)
    }
  }
}

/// The part of a product's outputs that one worker computes.
struct ProductPart: Equatable {
  var rows: Range<Int>
  var columns: Range<Int>

  /// Parts are cut between tiles of every instruction set's kernels, or nearly so.
  private static let (rowUnit, columnUnit) = (12, 16)

  /// The workers form a grid over the outputs: of all grids, the one whose largest part takes least time, to multiply
  /// (an output) and to pack the operands (a row or column: as long as six outputs). Workers left over have nothing.
  init(rows: Int, columns: Int, worker: Int, of workerCount: Int) {
    let rowUnits = (rows + Self.rowUnit - 1) / Self.rowUnit
    let columnUnits = (columns + Self.columnUnit - 1) / Self.columnUnit
    var (best, bestCost) = (1, Int.max)
    for down in 1...max(workerCount, 1) {
      let across = workerCount / down
      let height = min((rowUnits + down - 1) / down * Self.rowUnit, rows)
      let width = min((columnUnits + across - 1) / across * Self.columnUnit, columns)
      let cost = height * width + 6 * (height + width)
      if cost < bestCost { (best, bestCost) = (down, cost) }
    }
    let across = workerCount / best
    guard worker < best * across else {
      (self.rows, self.columns) = (0..<0, 0..<0)
      return
    }
    self.rows = Self.share(of: rows, units: rowUnits, unit: Self.rowUnit, worker / across, of: best)
    self.columns = Self.share(of: columns, units: columnUnits, unit: Self.columnUnit, worker % across, of: across)
  }

  private static func share(of count: Int, units: Int, unit: Int, _ index: Int, of parts: Int) -> Range<Int> {
    min(units * index / parts * unit, count)..<min(units * (index + 1) / parts * unit, count)
  }
}
