import CKernels

/// The instruction set the kernels run on. Results do not depend on it.
package enum InstructionSet: String, Sendable, CaseIterable {
  case reference, avx2, avx512, neon

  /// Asking the processor is slow in virtual machines: once is enough.
  package static let best = InstructionSet(ck_isa_best())
  package static var supported: [InstructionSet] { allCases.filter { ck_isa_supported($0.code) } }

  private init(_ code: ck_isa) {
    switch code {
    case CK_ISA_AVX2: self = .avx2
    case CK_ISA_AVX512: self = .avx512
    case CK_ISA_NEON: self = .neon
    default: self = .reference
    }
  }

  var code: ck_isa {
    switch self {
    case .reference: CK_ISA_REFERENCE
    case .avx2: CK_ISA_AVX2
    case .avx512: CK_ISA_AVX512
    case .neon: CK_ISA_NEON
    }
  }
}
