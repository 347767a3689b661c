import CKernels

/// How rows are held when they enter matrix products; decided by the weights they meet.
package enum RowFormat: String, Sendable, CaseIterable {
  /// Unrounded: the product is that of the stored weights' exact values.
  case float32 = "f32"
  /// Rounded to nearest even; two products an instruction where the processor has it.
  case bfloat16 = "bf16"
  /// 8-bit levels with one fp32 scale for each 64 columns.
  case int8

  /// Bytes of one row of `columns` columns, in a `RowBuffer`.
  package func rowByteCount(columns: Int) -> Int { ck_row_bytes(code, columns) }

  /// Bytes of `Rows.form` of a row of `columns` columns.
  package func formByteCount(columns: Int) -> Int { self == .float32 ? columns * 4 : rowByteCount(columns: columns) }

  var code: ck_row_format {
    switch self {
    case .float32: CK_ROWS_F32
    case .bfloat16: CK_ROWS_BF16
    case .int8: CK_ROWS_INT8
    }
  }
}
