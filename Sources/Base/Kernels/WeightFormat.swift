import CKernels
import Tensors

/// How a weight matrix is held in memory: as it was stored, its fp32 expansion is exact.
///
/// A format is a row here and a row of C's table (`CKernels/include/formats.h`), which knows its sizes, packs and
/// expands it, and has its products for each instruction set.
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

  /// 4-bit integers of -8 to 7 in blocks of 32 columns with a bf16 scale.
  package static let int4 = WeightFormat("int4", CK_INT4)
  /// The same of 0 to 15 with a zero of 0 to 31 in each block, which is taken away; the scale is bf16, or f16.
  package static let int4Zeros = WeightFormat("int4_zeros", CK_INT4_ZEROS)
  package static let int4HalfZeros = WeightFormat("int4_half_zeros", CK_INT4_HALF_ZEROS)

  /// GGUF's blocks (`CKernels/include/blocks.h`), by their names there. One that no panel holds is read only.
  private static let blocks = [
    WeightFormat("q4_0", CK_Q4_0, elementType: .q40), WeightFormat("q4_1", CK_Q4_1, elementType: .q41),
    WeightFormat("q5_0", CK_Q5_0, elementType: .q50), WeightFormat("q5_1", CK_Q5_1, elementType: .q51),
    WeightFormat("q8_0", CK_Q8_0, elementType: .q80), WeightFormat("q2_k", CK_Q2_K, elementType: .q2K),
    WeightFormat("q3_k", CK_Q3_K, elementType: .q3K), WeightFormat("q4_k", CK_Q4_K, elementType: .q4K),
    WeightFormat("q5_k", CK_Q5_K, elementType: .q5K), WeightFormat("q6_k", CK_Q6_K, elementType: .q6K),
    WeightFormat("iq4_nl", CK_IQ4_NL, elementType: .iq4NL), WeightFormat("iq4_xs", CK_IQ4_XS, elementType: .iq4XS),
    WeightFormat("mxfp4_0", CK_MXFP4_0, elementType: .mxfp4Blocks),
    WeightFormat("iq1_s", CK_IQ1_S, elementType: .iq1S), WeightFormat("iq1_m", CK_IQ1_M, elementType: .iq1M),
    WeightFormat("iq2_xxs", CK_IQ2_XXS, elementType: .iq2XXS), WeightFormat("iq2_xs", CK_IQ2_XS, elementType: .iq2XS),
    WeightFormat("iq2_s", CK_IQ2_S, elementType: .iq2S), WeightFormat("iq3_xxs", CK_IQ3_XXS, elementType: .iq3XXS),
    WeightFormat("iq3_s", CK_IQ3_S, elementType: .iq3S), WeightFormat("tq1_0", CK_TQ1_0, elementType: .tq10),
    WeightFormat("tq2_0", CK_TQ2_0, elementType: .tq20), WeightFormat("nvfp4", CK_NVFP4, elementType: .nvfp4Blocks),
  ]

  /// Every format, in the order of C's table.
  package static let all =
    [float32, bfloat16, float16, float8, mxfp4, q8, q4] + blocks + [int4, int4Zeros, int4HalfZeros]

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

  /// The format of 4-bit integers of -8 to 7, or of 0 to 15 with a zero, in blocks of 32 columns with a scale of
  /// `type`; nil for scales of other types.
  package init?(integersWithScales type: ElementType, zeros: Bool) {
    switch type {
    case .bfloat16: self = zeros ? .int4Zeros : .int4
    case .float16: if zeros { self = .int4HalfZeros } else { self.init(.q40) }
    default: return nil
    }
  }

  var code: ck_format { ck_format(number) }

  /// Columns of a stored block, which has its scales in it; 0 for formats whose scales lie apart.
  package var blockColumns: Int { ck_block_columns(code) }

  /// Whether stored blocks have their scales in them.
  package var isBlocked: Bool { blockColumns > 0 }

  /// Whether panels hold it, so that there are products of it.
  package var isHeld: Bool { RowFormat.allCases.contains(where: canMeet) }

  /// The bytes of a tensor in which its elements `range`, counted row after row, are stored: whole blocks of them.
  package func storedBytes(ofElements range: Range<Int>) -> Range<Int> {
    let (length, bytes) = (max(blockColumns, 1), storedRowByteCount(1))
    return (range.lowerBound / length * bytes)..<((range.upperBound + length - 1) / length * bytes)
  }

  /// Whether the scales in a stored row of blocks, of `columns` columns, are finite; true where scales lie apart.
  package func scalesAreFinite(_ row: UnsafeRawPointer, columns: Int) -> Bool {
    ck_scales_are_finite(code, row, columns)
  }

  /// Bytes of one stored row of `columns` columns, scales apart unless they lie in blocks.
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
