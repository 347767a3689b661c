import CKernels
import Tensors

/// How a weight matrix is held in memory: as it was stored, its fp32 expansion is exact.
///
/// A format is a row here and a row of C's table (`CKernels/include/formats.h`), which knows its sizes, packs and expands
/// it, and has its products for each instruction set.
package struct WeightFormat: Sendable, Hashable, CustomStringConvertible {
  /// How fp32 rows become rows of a format.
  package enum Rounding: Sendable {
    /// They are such rows.
    case none
    /// As the rows are rounded that meet it.
    case rows(RowFormat)
    /// To levels with scales for blocks and rows; a row with infinity or NaN becomes none.
    case levels
  }

  package let name: String
  /// The row of C's table.
  private let number: UInt32
  /// The type of a tensor whose elements are held as they are; nil where elements need scales.
  package let elementType: ElementType?
  /// The type of a tensor that holds its levels, with scales beside it; nil for formats of other numbers.
  package let levelType: ElementType?
  /// Nil where nothing is rounded to it.
  package let rounding: Rounding?
  /// A byte that no stored row may hold.
  package let invalidByte: UInt8?

  private init(
    _ name: String, _ code: ck_format, elementType: ElementType? = nil, levelType: ElementType? = nil,
    rounding: Rounding? = nil, invalidByte: UInt8? = nil
  ) {
    (self.name, number) = (name, code.rawValue)
    (self.elementType, self.levelType, self.rounding) = (elementType, levelType, rounding)
    self.invalidByte = invalidByte
  }

  package static let float32 = WeightFormat("f32", CK_F32, elementType: .float32, rounding: Rounding.none)
  package static let bfloat16 = WeightFormat("bf16", CK_BF16, elementType: .bfloat16, rounding: .rows(.bfloat16))
  package static let float16 = WeightFormat("f16", CK_F16, elementType: .float16)
  /// FP8 E4M3 with one fp32 scale for each 128 columns of a row.
  package static let float8 = WeightFormat("f8_e4m3", CK_F8E4M3)
  /// 4-bit E2M1 with one power-of-two scale for each 32 columns of a row.
  package static let mxfp4 = WeightFormat("mxfp4", CK_MXFP4)
  /// 8-bit levels in blocks of 64 columns with a byte scale each, and one fp32 scale a row.
  package static let q8 = WeightFormat("q8", CK_Q8, levelType: .int8, rounding: .levels, invalidByte: 0x80)
  /// The same with 4-bit indices into a table of levels.
  package static let q4 = WeightFormat("q4", CK_Q4, levelType: .uint8, rounding: .levels)

  /// Every format, in the order of C's table.
  package static let all = [float32, bfloat16, float16, float8, mxfp4, q8, q4]

  package static func == (a: WeightFormat, b: WeightFormat) -> Bool { a.number == b.number }
  package func hash(into hasher: inout Hasher) { hasher.combine(number) }
  package var description: String { name }

  /// The format that holds unscaled elements of `type`; nil for types that hold no weights.
  package init?(_ type: ElementType) {
    guard let format = Self.all.first(where: { $0.elementType == type }) else { return nil }
    self = format
  }

  /// The format whose levels a tensor of `type` holds; nil for types that hold none.
  package init?(levels type: ElementType) {
    guard let format = Self.all.first(where: { $0.levelType == type }) else { return nil }
    self = format
  }

  var code: ck_format { ck_format(number) }

  /// Bytes of one stored row of `columns` columns, scales apart.
  package func storedRowByteCount(_ columns: Int) -> Int { ck_stored_bytes(code, columns) }

  /// Columns of a row that share a block scale; 0 for formats without.
  package var scaleColumns: Int { ck_scale_columns(code) }

  /// Block scales of one row of `columns` columns.
  package func blockCount(columns: Int) -> Int { (columns + scaleColumns - 1) / scaleColumns }

  /// Bytes of one panel of sixteen rows of `columns` columns, scales included.
  package func panelByteCount(columns: Int) -> Int { ck_panel_bytes(code, columns) }

  /// Whether there is a product of such weights with such rows.
  package func canMeet(_ rows: RowFormat) -> Bool { ck_meets(code, rows.code) }

  /// The rows such weights meet when nothing else is asked for.
  package var plainRowFormat: RowFormat { canMeet(.float32) ? .float32 : .int8 }
}
