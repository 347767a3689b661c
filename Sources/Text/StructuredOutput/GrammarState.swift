/// Where one sequence stands in its grammar. A copy goes its own way.
package struct GrammarState: Sendable {
  /// A set of configurations, and its number in the grammar's cache as long as that has the same generation.
  struct Position: Sendable {
    var configurations: [Configuration]
    var isComplete: Bool
    var set: Int32
    var generation: Int
  }

  private let grammar: CompiledGrammar
  private var position: Position
  private var hasEnded = false

  init(_ grammar: CompiledGrammar, _ position: Position) {
    self.grammar = grammar
    self.position = position
  }

  /// Whether the output may end here.
  package var isComplete: Bool { position.isComplete }

  /// Takes a token; false, and nothing has changed, where it is not allowed. After an end token only end tokens are.
  package mutating func advance(_ token: Int32) -> Bool {
    if grammar.vocabulary.endTokens.contains(token) {
      if isComplete { hasEnded = true }
      return isComplete
    }
    guard !hasEnded, let next = grammar.advance(position, token: token) else { return false }
    position = next
    return true
  }

  /// The tokens that may come next; never none. End tokens are among them exactly when the output may end.
  package mutating func allowedTokens() -> TokenMask {
    guard hasEnded else { return grammar.mask(at: position) }
    var mask = TokenMask(vocabularySize: grammar.vocabulary.size)
    for token in grammar.vocabulary.endTokens { mask.insert(token) }
    return mask
  }
}
