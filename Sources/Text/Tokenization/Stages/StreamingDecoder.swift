/// Decodes token by token, giving out only whole characters that no later token can change.
package struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  /// The only stage of most vocabularies, which needs no chunks and takes nothing from the heap; nil where there are
  /// others, in `stages`.
  private var byteLevel: ByteLevelStage?
  private var stages: [any DecoderStage] = []

  init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    if tokenizer.decoders.count == 1, case .byteLevel? = tokenizer.decoders.first {
      byteLevel = ByteLevelStage()
    } else {
      stages = tokenizer.decoders.map { $0.makeStage() }
    }
  }

  /// The text that is certain once `id` follows; often empty. Throws for an id without a token.
  package mutating func push(_ id: Int) throws(TokenizerError) -> String {
    guard let form = tokenizer.form(of: id) else { throw .unknownID(id: id, vocabularySize: tokenizer.vocabularySize) }
    if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
    if let text = byteLevel?.push(form) { return text }
    return String(decoding: try run([DecodedChunk(bytes: Array(form), endsToken: true)], from: 0), as: UTF8.self)
  }

  /// What was kept back, the end of the text; the decoder must not be used afterwards.
  package mutating func finish() throws(TokenizerError) -> String {
    if let text = byteLevel?.finish() { return text }
    var text: [UInt8] = []
    for i in stages.indices {
      var output: [DecodedChunk] = []
      try stages[i].finish(into: &output)
      text += try run(output, from: i + 1)
    }
    return String(decoding: text, as: UTF8.self)
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
