import CKernels
import Kernels
import Testing

/// The table of instruction sets: words, and what this machine has of them.
struct InstructionSetTests {
  @Test func everySetHasAWordOfItsOwnByWhichItIsFound() {
    let words = InstructionSet.allCases.map(\.rawValue)
    #expect(words == ["reference", "avx2", "avx512", "amx", "neon", "i8mm"])
    for set in InstructionSet.allCases { #expect(InstructionSet(rawValue: set.rawValue) == set) }
    #expect(InstructionSet(rawValue: "") == nil)
    #expect(InstructionSet(rawValue: "sse") == nil)
    #expect(ck_isa_name(CK_ISA_COUNT) == nil)
    #expect(!ck_isa_supported(CK_ISA_COUNT))
  }

  @Test func theFastestIsTheLastThatThisMachineHas() {
    #expect(InstructionSet.supported.first == .reference)
    #expect(InstructionSet.supported.last == .best)
  }

  @Test func whatIsSaidToBeFastestHasInstructionsOfItsOwn() {
    #expect(InstructionSet.reference.nativeRowFormats.isEmpty)
    for set in InstructionSet.supported {
      let native = set.nativeRowFormats
      #expect(!native.contains(.float32))
      // Each set above AVX2 and NEON is chosen for its integer products.
      if set.rawValue == "amx" || set.rawValue == "i8mm" { #expect(native.contains(.int8)) }
      #expect(set.preference.contains("8-bit products are fastest") == native.contains(.int8))
      #expect(set.preference.hasSuffix("then bf16") == native.contains(.bfloat16))
      // The integer products are AVX2's then, and fp32's are twice as wide.
      #expect(
        set.preference.contains("prompts are fastest as auto or f32")
          == (set.rawValue == "avx512" && !native.contains(.int8)))
    }
  }

  /// A set's kernels may be those of the sets below it.
  @Test func aSetComesWithThoseItIsBuiltOn() {
    let supported = Set(ck_isa.supported.map(\.rawValue))
    for (above, below) in [(CK_ISA_AVX512, CK_ISA_AVX2), (CK_ISA_AMX, CK_ISA_AVX512), (CK_ISA_I8MM, CK_ISA_NEON)] {
      #expect(!supported.contains(above.rawValue) || supported.contains(below.rawValue))
    }
    #expect(!supported.contains(CK_ISA_NEON.rawValue) || !supported.contains(CK_ISA_AVX2.rawValue))
  }

  /// A thread's own tiles get memory when it first uses them.
  @Test func everySetMultipliesOnEveryThread() async {
    await withTaskGroup(of: Bool.self) { group in
      for seed in 1...4 as ClosedRange<UInt64> {
        group.addTask {
          let some = BlockMatmulTests.Case(CK_Q8_0, outputs: 33, k: 96, rows: 17, seed: seed)
          let reference = some.multiply(CK_ISA_REFERENCE, m: 17, n: 33)
          return ck_isa.vectors.allSatisfy { some.multiply($0, m: 17, n: 33).hasSameBits(as: reference) }
        }
      }
      for await agrees in group { #expect(agrees) }
    }
  }
}
