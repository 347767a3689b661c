import CKernels

/// The instruction set the kernels run on. Results do not depend on it.
///
/// Which there are, what they are called and what they need is in one table, `CKernels/isa.c`.
package struct InstructionSet: RawRepresentable, Hashable, Sendable, CaseIterable {
  /// Its place in the table; of those of one processor the later is the faster.
  package let number: UInt32

  /// The portable kernels, which are the specification of the others.
  package static let reference = InstructionSet(CK_ISA_REFERENCE)
  /// Asking the processor is slow in virtual machines: once is enough.
  package static let best = InstructionSet(ck_isa_best())
  package static let allCases: [InstructionSet] = (0..<CK_ISA_COUNT.rawValue).map { InstructionSet(ck_isa($0)) }
  package static var supported: [InstructionSet] { allCases.filter { ck_isa_supported($0.code) } }

  private init(_ code: ck_isa) { number = code.rawValue }

  /// By its word, as `rawValue` gives it.
  package init?(rawValue: String) {
    guard let found = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = found
  }

  /// The word for it in options, reports and messages.
  package var rawValue: String { ck_isa_name(code).map { String(cString: $0) } ?? "" }

  var code: ck_isa { ck_isa(number) }
}
