import ArgumentParser
import Checkpoints
import Fabric
import Glibc

extension RunTerms {
  /// The program and its command, and then these terms.
  func ofThisProgram() -> RunTerms {
    var all = RunTerms()
    all.add("the program", "\(Martinet.configuration.version) (build \(Self.build))")
    all.add("the command", Self.command.joined(separator: " "))
    for term in terms { all.add(term.name, term.value) }
    return all
  }

  /// All that follows the command on its line, but for options (with a value) that ranks may have of their own.
  static func arguments(except own: Set<String>) -> RunTerms {
    var kept: [String] = []
    var isSkipped = false
    for argument in CommandLine.arguments.dropFirst(1 + command.count) {
      if isSkipped {
        isSkipped = false
      } else if own.contains(argument) {
        isSkipped = true
      } else if !own.contains(where: { argument.hasPrefix("\($0)=") }) {
        kept.append(argument)
      }
    }
    var terms = RunTerms()
    terms.add("the arguments", kept.joined(separator: " "))
    return terms
  }

  /// `serve`, `bench dispatch`.
  private static var command: [String] {
    let words = CommandLine.arguments.dropFirst().prefix { !$0.hasPrefix("-") }
    return Array(words.prefix(words.first == "bench" ? 2 : 1))
  }

  /// Its size, and a sum over pieces from all over this program's file: what tells two builds apart.
  private static var build: String {
    let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "unknown" }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { return "unknown" }
    let size = Int(status.st_size)
    let pieces = 256
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    var sum = TensorSum()
    for piece in 0..<pieces {
      let offset = size / pieces * piece
      let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(offset)) }
      guard count > 0 else { continue }
      sum += bytes.withUnsafeBytes { TensorSum(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset) }
    }
    return "\(size)-\(sum.text)"
  }
}
