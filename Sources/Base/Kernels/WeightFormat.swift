import CKernels
import Tensors

/// How a weight matrix is held in memory: as it was stored, its fp32 expansion is exact.
package enum WeightFormat: String, Sendable, CaseIterable {
  case float32 = "f32"
  case bfloat16 = "bf16"
  case float16 = "f16"
  /// FP8 E4M3 with one fp32 scale for each 128 columns of a row.
  case float8 = "f8_e4m3"
  /// 4-bit E2M1 with one power-of-two scale for each 32 columns of a row.
  case mxfp4 = "mxfp4"
  /// 8-bit levels in blocks of 64 columns with a byte scale each, and one fp32 scale a row.
  case q8
  /// The same with 4-bit indices into a table of levels.
  case q4

  /// The format that holds unscaled elements of `type`; nil for types that hold no weights.
  package init?(_ type: ElementType) {
    switch type {
    case .float32: self = .float32
    case .bfloat16: self = .bfloat16
    case .float16: self = .float16
    default: return nil
    }
  }

  /// Bytes of one stored row of `columns` columns, scales apart.
  package func storedRowByteCount(_ columns: Int) -> Int {
    switch self {
    case .float32: columns * 4
    case .bfloat16, .float16: columns * 2
    case .float8: columns
    case .mxfp4: columns / 2
    case .q8, .q4: ck_quantized_row_bytes(code, columns)
    }
  }

  /// Block scales of one stored row of `columns` columns in Q8 or Q4, a byte each.
  package static func blockCount(columns: Int) -> Int { (columns + Int(CK_Q_BLOCK) - 1) / Int(CK_Q_BLOCK) }

  /// Bytes of one panel of sixteen rows of `columns` columns, scales included.
  package func panelByteCount(columns: Int) -> Int { ck_panel_bytes(code, columns) }

  var code: ck_format {
    switch self {
    case .float32: CK_F32
    case .bfloat16: CK_BF16
    case .float16: CK_F16
    case .float8: CK_F8E4M3
    case .mxfp4: CK_MXFP4
    case .q8: CK_Q8
    case .q4: CK_Q4
    }
  }

  /// Whether there is a product of such weights with such rows.
  package func canMeet(_ rows: RowFormat) -> Bool {
    switch self {
    case .q8, .q4: rows == .int8
    case .bfloat16: rows != .int8
    default: rows == .float32
    }
  }

  /// The rows such weights meet when nothing else is asked for.
  package var plainRowFormat: RowFormat { canMeet(.float32) ? .float32 : .int8 }
}
