import StructuredOutput

/// Outputs of a model that knows nothing but the masks.
enum RandomOutput {
  /// xorshift64*.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state >> 12
      state ^= state << 25
      state ^= state >> 27
      return state &* 0x2545_F491_4F6C_DD1D
    }
  }

  enum Failure: Error {
    case emptyMask, refused, notText
    case tooLong(String)
  }

  /// Random allowed tokens until the output is complete and the dice say so; after `patience` tokens those that close
  /// something are preferred.
  static func make(
    _ grammar: CompiledGrammar, tokens: [[UInt8]?], ends: Set<Int32>, patience: Int, using generator: inout Generator
  ) throws -> String {
    var state = grammar.makeState()
    var bytes: [UInt8] = []
    for step in 0..<4000 {
      let mask = state.allowedTokens()
      var allowed = mask.tokens
      guard !allowed.isEmpty, allowed.contains(where: { ends.contains($0) }) == state.isComplete else {
        throw Failure.emptyMask
      }
      if state.isComplete, step > patience || Int.random(in: 0..<3, using: &generator) == 0 || allowed.count == 1 {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure.notText }
        return text
      }
      allowed.removeAll { ends.contains($0) }
      if step > patience {
        // What closes most in one byte; a value that needs nothing else before whatever begins one.
        let closing = Array("\"}]01n:eultrfas,-.".utf8)
        let short = closing.first { byte in allowed.contains { tokens[Int($0)].map { $0 == [byte] } ?? false } }
        if let short, Int.random(in: 0..<4, using: &generator) > 0 {
          allowed = allowed.filter { tokens[Int($0)].map { $0 == [short] } ?? false }
        }
      }
      // As often single bytes as long tokens: those that are many are not all there is.
      if Bool.random(using: &generator) {
        let single = allowed.filter { tokens[Int($0)]?.count == 1 }
        if !single.isEmpty { allowed = single }
      }
      let token = allowed.randomElement(using: &generator)!
      guard state.advance(token) else { throw Failure.refused }
      bytes += tokens[Int(token)] ?? []
    }
    throw Failure.tooLong(String(decoding: bytes.prefix(300), as: UTF8.self))
  }
}
