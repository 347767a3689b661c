/// Makes the ids of responses and calls from random numbers.
package struct IdentifierSource: Sendable {
  private let random: @Sendable () -> UInt64

  /// `random`: any 64 bits, from any thread.
  package init(random: @escaping @Sendable () -> UInt64) { self.random = random }

  /// Ids nobody can foresee.
  package static let system = IdentifierSource { UInt64.random(in: .min ... .max) }

  package func chatCompletion() -> String { "chatcmpl-" + letters(32) }
  package func completion() -> String { "cmpl-" + letters(32) }
  package func message() -> String { "msg_" + letters(32) }
  package func response() -> String { "resp_" + letters(32) }
  /// An item of a response; `prefix`: `msg`, `rs`, `fc` or `ctc`.
  package func item(_ prefix: String) -> String { prefix + "_" + letters(32) }
  package func request() -> String { "req_" + letters(32) }
  /// Mistral's templates take only ids of nine letters and digits.
  package func toolCall(for syntax: ToolCallFormat.Syntax) -> String {
    syntax == .mistral ? letters(9) : "call_" + letters(24)
  }

  private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

  private func letters(_ count: Int) -> String {
    var bits: UInt64 = 0
    var left = 0
    var letters: [UInt8] = []
    while letters.count < count {
      if left == 0 { (bits, left) = (random(), 10) }
      letters.append(Self.alphabet[Int(bits % 62)])
      bits /= 62
      left -= 1
    }
    return String(decoding: letters, as: UTF8.self)
  }
}
