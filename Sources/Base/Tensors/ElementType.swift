/// How the numbers of a tensor are stored in a checkpoint; raw values are the names that safetensors has for them, and
/// for blocks those of ggml.
package enum ElementType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case uint8 = "U8"
  case int8 = "I8"
  case int16 = "I16"
  case uint16 = "U16"
  case int32 = "I32"
  case uint32 = "U32"
  case int64 = "I64"
  case uint64 = "U64"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float32 = "F32"
  case float64 = "F64"
  /// 4-bit exponent, 3-bit mantissa, no infinities (OCP FP8 E4M3FN).
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  /// A power of two, biased by 127 (OCP MX scale).
  case float8E8M0 = "F8_E8M0"
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  /// Two to a byte.
  case float4 = "F4"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case complex64 = "C64"

  // Blocks of a row, with their scales in them, as GGUF files have them. CKernels/include/blocks.h has the layouts.
  case q40 = "Q4_0"
  case q41 = "Q4_1"
  case q50 = "Q5_0"
  case q51 = "Q5_1"
  case q80 = "Q8_0"
  case q2K = "Q2_K"
  case q3K = "Q3_K"
  case q4K = "Q4_K"
  case q5K = "Q5_K"
  case q6K = "Q6_K"
  case iq1S = "IQ1_S"
  case iq1M = "IQ1_M"
  case iq2XXS = "IQ2_XXS"
  case iq2XS = "IQ2_XS"
  case iq2S = "IQ2_S"
  case iq3XXS = "IQ3_XXS"
  case iq3S = "IQ3_S"
  case iq4NL = "IQ4_NL"
  case iq4XS = "IQ4_XS"
  case tq10 = "TQ1_0"
  case tq20 = "TQ2_0"
  case mxfp4Blocks = "MXFP4"
  case nvfp4Blocks = "NVFP4"

  /// Numbers that are stored together, and bytes that hold them: one number, or as many as fill whole bytes, or a
  /// block.
  package var block: (length: Int, byteCount: Int) {
    switch self {
    case .bool, .uint8, .int8, .float8E4M3, .float8E5M2, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ: (1, 1)
    case .int16, .uint16, .float16, .bfloat16: (1, 2)
    case .int32, .uint32, .float32: (1, 4)
    case .int64, .uint64, .float64, .complex64: (1, 8)
    case .float4: (2, 1)
    case .float6E2M3, .float6E3M2: (4, 3)
    case .q40, .iq4NL: (32, 18)
    case .q41: (32, 20)
    case .q50: (32, 22)
    case .q51: (32, 24)
    case .q80: (32, 34)
    case .mxfp4Blocks: (32, 17)
    case .nvfp4Blocks: (64, 36)
    case .iq1S: (256, 50)
    case .tq10: (256, 54)
    case .iq1M: (256, 56)
    case .iq2XXS, .tq20: (256, 66)
    case .iq2XS: (256, 74)
    case .iq2S: (256, 82)
    case .q2K: (256, 84)
    case .iq3XXS: (256, 98)
    case .iq3S, .q3K: (256, 110)
    case .iq4XS: (256, 136)
    case .q4K: (256, 144)
    case .q5K: (256, 176)
    case .q6K: (256, 210)
    }
  }

  /// Whether numbers come in blocks with scales: rows have whole blocks, and a number alone has no bytes of its own.
  package var isBlocked: Bool { block.length >= 32 }

  /// Bytes that hold one number, rounded up where several share bytes.
  package var byteCount: Int {
    let (length, byteCount) = block
    return (byteCount + length - 1) / length
  }

  /// The type of that name in a safetensors file, which has none of ggml's.
  package init?(safetensors name: String) {
    guard let type = ElementType(rawValue: name), !type.isBlocked else { return nil }
    self = type
  }
}
