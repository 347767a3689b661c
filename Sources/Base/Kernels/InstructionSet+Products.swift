import CKernels

/// What a processor multiplies fastest: which weights suit it.
extension InstructionSet {
  /// The forms of rows that this processor, on these kernels, multiplies by instructions made for them. Rows of fp32
  /// are not among them: every processor has such.
  package var nativeRowFormats: [RowFormat] {
    var formats: [RowFormat] = []
    if ck_probe_int8(code, 1) > 0 { formats.append(.int8) }
    if ck_probe_bf16(code, 1) > 0 { formats.append(.bfloat16) }
    return formats
  }

  /// Which weights suit the processor, in words: 8-bit products run at up to four times the rate of fp32's where there
  /// are instructions for them, and those of bf16 at twice. Without such AVX2's 8-bit products were measured at 1.7
  /// times the rate of fp32's (64 rows, one thread of a Zen 5 core), and rows of bf16 are slower than fp32's.
  package var preference: String {
    let native = nativeRowFormats
    let pairs = native.contains(.bfloat16) ? "then bf16" : "bf16 rows are slower than fp32's"
    return native.contains(.int8)
      ? "8-bit products are fastest (q8, q4 and what is held in blocks), \(pairs)"
      : "no instructions for 8-bit products: q8 and q4 are faster, but by less than elsewhere, \(pairs)"
  }
}
