import ArgumentParser
import Kernels

extension InstructionSet: ExpressibleByArgument {
  /// All words, as a sentence has them.
  static var words: String {
    let words = allCases.map(\.rawValue)
    return words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
  }

  /// Throws where this host cannot run it: its instructions would end the process.
  func checkIsSupported() throws {
    let supported = Self.supported
    guard !supported.contains(self) else { return }
    throw ValidationError(
      "--isa \(rawValue): this host cannot run it; it has \(supported.map(\.rawValue).joined(separator: ", "))")
  }
}
