import CKernels
import Tensors

/// Rows on their way into matrix products: their fp32 values and, unless those are wanted, their rounded form.
package struct Rows {
  package var values: UnsafePointer<Float>
  /// In floats.
  package var valueStride: Int
  var rounded: UnsafeRawPointer?
  /// In bytes.
  var roundedStride = 0

  /// Of rows that meet a matrix with another `rowFormat` than float32.
  var roundedStart: UnsafeRawPointer {
    guard let rounded else { preconditionFailure("rows that were not rounded") }
    return rounded
  }

  /// Row `row` in the form in which it enters products: rounded, or its fp32 values.
  package func form(of row: Int) -> UnsafeRawPointer {
    rounded.map { $0 + row * roundedStride } ?? UnsafeRawPointer(values + row * valueStride)
  }

  /// Rows at `values`, `[…, columns]`, `stride` floats apart, that meet only matrices with `rowFormat` float32.
  package init(_ values: UnsafePointer<Float>, stride: Int) {
    self.values = values
    valueStride = stride
  }

  /// The same without their rounded form.
  package var plain: Rows { Rows(values, stride: valueStride) }

  /// The rows from the `first` on.
  package func from(_ first: Int) -> Rows {
    var rows = self
    rows.values += first * valueStride
    rows.rounded = rounded.map { $0 + first * roundedStride }
    return rows
  }

  /// Every `step`-th row from the `first` on.
  package func strided(from first: Int, by step: Int) -> Rows {
    var rows = from(first)
    rows.valueStride *= step
    rows.roundedStride *= step
    return rows
  }
}

extension Compute {
  /// Writes the form of one row, `values` `[columns]`, to `form`, which has `format.rowByteCount(columns:)` bytes and
  /// is aligned to 4.
  package func round(
    _ values: UnsafePointer<Float>, columns: Int, as format: RowFormat, into form: UnsafeMutableRawPointer
  ) {
    ck_round_row(isa, format.code, values, columns, 0, columns, form)
  }
}

/// Memory for the rounded form of some rows; none when the format is fp32.
package struct RowBuffer: @unchecked Sendable {
  package let format: RowFormat
  package let columns: Int
  private let stride: Int
  private let memory: AlignedBuffer<UInt8>

  /// Room for `rows` rows of `columns` columns, rounded to `format`.
  package init(_ format: RowFormat, columns: Int, rows: Int) {
    self.format = format
    self.columns = columns
    stride = format.rowByteCount(columns: columns)
    memory = AlignedBuffer(count: format == .float32 ? 1 : max(rows * stride, 1))
  }

  /// One with room for `rows` rows or more: itself, or a larger one that holds nothing yet.
  package func reserving(rows: Int) -> RowBuffer {
    format == .float32 || rows * stride <= memory.count
      ? self : RowBuffer(format, columns: columns, rows: rows + rows / 2)
  }

  /// The rows `[rows, columns]` whose fp32 values are at `values`, `valueStride` floats apart, and whose rounded form
  /// is here.
  package func rows(of values: UnsafePointer<Float>, stride valueStride: Int) -> Rows {
    var rows = Rows(values, stride: valueStride)
    guard format != .float32 else { return rows }
    rows.rounded = UnsafeRawPointer(memory.pointer)
    rows.roundedStride = stride
    return rows
  }

  /// Rounds row `row`, whose fp32 values `[columns]` are at `values`.
  package func round(_ compute: Compute, row: Int, _ values: UnsafePointer<Float>) {
    guard format != .float32 else { return }
    ck_round_row(compute.isa, format.code, values, columns, 0, columns, memory.pointer + row * stride)
  }

  /// Rounds `worker`'s share of the rows `[count, columns]`, `valueStride` floats apart, cut by blocks of columns where
  /// there are few; `prepare` is called first for each piece, to write its fp32 values.
  package func share(
    _ compute: Compute, worker: Int, _ values: UnsafePointer<Float>, stride valueStride: Int, count: Int,
    prepare: (_ row: Int, _ columns: Range<Int>) -> Void = { _, _ in }
  ) {
    let block = Self.blockColumns
    let blocks = (columns + block - 1) / block
    let share = compute.share(of: count * blocks, worker: worker)
    var piece = share.lowerBound
    while piece < share.upperBound {
      let row = piece / blocks
      let first = piece - row * blocks
      let end = min(blocks, first + share.upperBound - piece)
      let range = (first * block)..<min(end * block, columns)
      prepare(row, range)
      if format != .float32 {
        ck_round_row(
          compute.isa, format.code, values + row * valueStride, columns, range.lowerBound, range.upperBound,
          memory.pointer + row * stride)
      }
      piece += end - first
    }
  }

  /// Whether the rounded form of the columns `range` lies apart from that of others.
  package func isApart(_ range: Range<Int>) -> Bool {
    let block = Self.blockColumns
    return format != .float32 && range.lowerBound % block == 0
      && (range.upperBound % block == 0 || range.upperBound == columns)
  }

  /// Rounds `worker`'s share of columns that lie apart, of all of `view`'s rows.
  package func share(_ compute: Compute, worker: Int, _ view: MatrixView<Float>, columns range: Range<Int>) {
    let block = Self.blockColumns
    let blocks = (range.count + block - 1) / block
    guard format != .float32, blocks > 0 else { return }
    for piece in compute.share(of: view.rowCount * blocks, worker: worker) {
      let (row, number) = piece.quotientAndRemainder(dividingBy: blocks)
      let first = range.lowerBound + number * block
      ck_round_row(
        compute.isa, format.code, view[row], columns, first, min(first + block, range.upperBound),
        memory.pointer + row * stride)
    }
  }

  /// Calls `body` with where each part of the rounded form of the columns `range`, which lie apart, is in the first
  /// row, its bytes, and those from row to row.
  package func forEachPart(
    _ range: Range<Int>, _ body: (_ start: UnsafeMutableRawPointer, _ byteCount: Int, _ stride: Int) -> Void
  ) {
    // No columns have no part in the block that they would lie in.
    guard !range.isEmpty else { return }
    let start = UnsafeMutableRawPointer(memory.pointer)
    let block = Self.blockColumns
    let blocks = (range.lowerBound / block)..<((range.upperBound + block - 1) / block)
    switch format {
    case .float32: break
    case .bfloat16: body(start + 2 * range.lowerBound, 2 * range.count, stride)
    case .int8:
      // Levels, scales, sums of levels: `rows.h`.
      let all = (columns + block - 1) / block
      body(start + blocks.lowerBound * block, blocks.count * block, stride)
      body(start + all * block + 4 * blocks.lowerBound, 4 * blocks.count, stride)
      body(start + all * (block + 4) + 4 * blocks.lowerBound, 4 * blocks.count, stride)
    }
  }

  /// Copies a rounded form to row `row`.
  package func copy(row: Int, from form: UnsafeRawPointer) {
    guard format != .float32 else { return }
    UnsafeMutableRawPointer(memory.pointer + row * stride).copyMemory(from: form, byteCount: stride)
  }

  /// Pieces of a row start at multiples of this many columns.
  private static let blockColumns = Int(CK_Q_BLOCK)
}
