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
  package func makeState() -> GrammarState {
    cache.withLock { cache in
      cache.trim()
      let set = cache.sets.initial()
      return GrammarState(self, Self.position(set, in: cache.sets))
    }
  }

  /// The position after `token`; nil where it is not allowed.
  func advance(_ position: GrammarState.Position, token: Int32) -> GrammarState.Position? {
    cache.withLock { cache in
      let next = cache.next(Self.set(at: position, in: &cache), token: token)
      return next < 0 ? nil : Self.position(next, in: cache.sets)
    }
  }

  func mask(at position: GrammarState.Position) -> TokenMask {
    cache.withLock { cache in cache.mask(Self.set(at: position, in: &cache)) }
  }

  private static func position(_ set: ConfigurationSets.SetID, in sets: ConfigurationSets) -> GrammarState.Position {
    .init(
      configurations: sets.members[Int(set)], isComplete: sets.isComplete[Int(set)], set: set,
      generation: sets.generation)
  }

  private static func set(at position: GrammarState.Position, in cache: inout MaskCache) -> ConfigurationSets.SetID {
    cache.trim()
    return position.generation == cache.sets.generation
      ? position.set : cache.sets.intern(position.configurations)
  }
}
