import Synchronization

/// A grammar compiled for a vocabulary. Any number of sequences and threads share it, and what it has learnt.
package final class CompiledGrammar: Sendable {
  let vocabulary: TokenVocabulary
  /// Of the tables, without masks that were found since.
  package let byteCount: Int
  private let cache: Mutex<MaskCache>

  /// Throws when the grammar is malformed, contradictory, too large, or asks for what is not supported, and when the
  /// vocabulary has no token to end an output with.
  package init(_ grammar: OutputGrammar, vocabulary: TokenVocabulary) throws(StructuredOutputError) {
    guard !vocabulary.endTokens.isEmpty else { throw .vocabulary(reason: "it has no token that ends an output") }
    self.vocabulary = vocabulary
    let automaton = try GrammarCompiler.compile(grammar, vocabulary: vocabulary)
    byteCount = automaton.byteCount
    cache = Mutex(MaskCache(automaton, vocabulary: vocabulary))
  }

  /// Where a sequence stands before its first token.
  package func makeState() -> GrammarState { GrammarState(self, cache.withLock { $0.start() }) }

  /// The position after `token`; nil where it is not allowed.
  func advance(_ position: GrammarState.Position, token: Int32) -> GrammarState.Position? {
    cache.withLock { $0.advance(position, token: token) }
  }

  func mask(at position: GrammarState.Position) -> TokenMask { cache.withLock { $0.mask(at: position) } }
}
