import Evaluation

/// A completion as it is to be paid.
package struct RewardedSample: Sendable {
  package let prompt: RewardedPrompt
  /// As the model read it.
  package let promptText: String
  /// All that it wrote, special tokens visible, without the end token.
  package let completion: String
  /// What graders take. Where the prompt ended with `<think>`, the text begins with it.
  package let answer: Answer
  package let tokenCount: Int
  /// The most tokens that it might have had.
  package let tokenLimit: Int
  /// It had all its tokens, and did not end by itself.
  package let isCut: Bool

  package init(
    prompt: RewardedPrompt, promptText: String, completion: String, tokenCount: Int, tokenLimit: Int, isCut: Bool
  ) {
    (self.prompt, self.promptText, self.completion) = (prompt, promptText, completion)
    (self.tokenCount, self.tokenLimit, self.isCut) = (tokenCount, tokenLimit, isCut)
    answer = Answer((Self.opensReasoning(promptText) ? "<think>" : "") + completion, isCut: isCut)
  }

  /// Whether the model was made to think: white space may follow the mark.
  private static func opensReasoning(_ prompt: String) -> Bool {
    var scalars = prompt.unicodeScalars[...]
    while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
    return scalars.suffix(7).elementsEqual("<think>".unicodeScalars)
  }
}
