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
  /// are instructions for them, and those of bf16 at twice. Without such rows of bf16 are slower than fp32's; AVX2's
  /// 8-bit products were measured at 1.7 times the rate of its fp32's on Zen 5 and 1.1 times on Skylake, and at 0.7
  /// times that of AVX-512's fp32 there (64 rows, one thread).
  package var preference: String {
    let native = nativeRowFormats
    let pairs = native.contains(.bfloat16) ? "then bf16" : "bf16 rows are slower than fp32's"
    if native.contains(.int8) { return "8-bit products are fastest (q8, q4 and what is held in blocks), \(pairs)" }
    return code == CK_ISA_AVX512
      ? "no instructions for 8-bit products: prompts are fastest as auto or f32, one sequence in few bits, \(pairs)"
      : "no instructions for 8-bit products: q8 and q4 are faster, but by less than elsewhere, \(pairs)"
  }
}
