/// Decodes token by token, giving out only whole characters that no later token can change.
package struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var stages: [any DecoderStage]

  init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    stages = tokenizer.decoders.map { $0.makeStage() }
  }

  /// The text that is certain once `id` follows; often empty. Throws for an id without a token.
  package mutating func push(_ id: Int) throws(TokenizerError) -> String {
    String(decoding: try pushBytes(id), as: UTF8.self)
  }

  /// What was kept back, the end of the text; the decoder must not be used afterwards.
  package mutating func finish() throws(TokenizerError) -> String { String(decoding: try finishBytes(), as: UTF8.self) }

  mutating func pushBytes(_ id: Int) throws(TokenizerError) -> [UInt8] {
    guard let form = tokenizer.form(of: id) else { throw .unknownID(id: id, vocabularySize: tokenizer.vocabularySize) }
    if skipsSpecialTokens, tokenizer.isSpecial(id) { return [] }
    return try run([DecodedChunk(bytes: Array(form), endsToken: true)], from: 0)
  }

  mutating func finishBytes() throws(TokenizerError) -> [UInt8] {
    var text: [UInt8] = []
    for i in stages.indices {
      var output: [DecodedChunk] = []
      try stages[i].finish(into: &output)
      text += try run(output, from: i + 1)
    }
    return text
  }

  private mutating func run(_ chunks: [DecodedChunk], from first: Int) throws(TokenizerError) -> [UInt8] {
    var chunks = chunks
    for i in stages.indices.dropFirst(first) {
      if chunks.isEmpty { return [] }
      var output: [DecodedChunk] = []
      for chunk in chunks { try stages[i].receive(chunk, into: &output) }
      chunks = output
    }
    return chunks.flatMap(\.bytes)
  }
}
