import EngineAPI
import Inference
import JSON
import ModelText
import StructuredOutput

extension GrammarCache {
  /// A constraint for one sequence. Takes as long as compiling does when the grammar is new; on any thread that may
  /// wait.
  func constraint(_ grammar: JSONValue, _ facts: EngineFacts) throws -> any TokenConstraint {
    let compiled = try compiled(
      OutputGrammar(json: grammar), text: grammar.text(), vocabularySize: facts.vocabularySize)
    return GrammarConstraint(compiled, endTokens: endTokens)
  }
}

/// A grammar as the loop follows it with one sequence.
private final class GrammarConstraint: TokenConstraint, @unchecked Sendable {
  private var state: GrammarState
  private let endTokens: Set<Int32>

  init(_ grammar: CompiledGrammar, endTokens: Set<Int32>) {
    state = grammar.makeState()
    self.endTokens = endTokens
  }

  private init(_ state: GrammarState, endTokens: Set<Int32>) { (self.state, self.endTokens) = (state, endTokens) }

  func copy() -> (any TokenConstraint)? { GrammarConstraint(state, endTokens: endTokens) }

  var allowed: AllowedTokens { AllowedTokens(words: state.allowedTokens().words) }

  func advance(_ token: Int32) -> ConstraintProgress {
    // What a grammar does not allow cannot have been sampled under it.
    guard state.advance(token) else { return .complete }
    guard state.isComplete else { return .open }
    let mask = state.allowedTokens()
    return mask.count <= endTokens.count && mask.tokens.allSatisfy(endTokens.contains) ? .complete : .open
  }
}
