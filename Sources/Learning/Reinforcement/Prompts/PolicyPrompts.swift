import Checkpoints
import ModelText
import MoEModel
import Rewards
import Training

/// Prompts as the model reads them, and the order in which steps take them.
package struct PolicyPrompts {
  package struct Prompt {
    package let rewarded: RewardedPrompt
    /// As it is laid out for the model.
    package let text: String
    package let tokens: [Int32]
  }

  /// Where they come from, for errors.
  package let file: String
  package let prompts: [Prompt]
  /// Tokens of the longest.
  package let longest: Int
  private let stream: RandomStream

  /// Throws for a prompt that cannot be laid out, or leaves no room for `maxNewTokens` in the model's context.
  package init(
    _ list: [RewardedPrompt], file: String, codec: TextCodec, description: DecoderDescription, maxNewTokens: Int,
    seed: UInt64
  ) throws {
    var prompts: [Prompt] = []
    for rewarded in list {
      func fail(_ reason: String) -> ReinforcementError {
        .badPrompt(file: file, line: rewarded.number, reason: reason)
      }
      let (text, ids): (String, [Int])
      do {
        switch rewarded.content {
        case .text(let prompt): (text, ids) = (prompt, try codec.encode(prompt))
        case .messages(let messages, let tools):
          text = try codec.render(messages, tools: tools, addGenerationPrompt: true)
          ids = try codec.encode(text, addSpecialTokens: false)
        }
      } catch { throw fail("\(error)") }
      guard !ids.isEmpty else { throw fail("it has no tokens") }
      if let id = ids.first(where: { !(0..<description.vocabularySize).contains($0) }) {
        throw fail("token \(id) is outside of the model's vocabulary of \(description.vocabularySize)")
      }
      guard ids.count < description.maximumPositions else {
        throw fail(
          "it has \(ids.count) tokens, and the model's context has \(description.maximumPositions); shorten it")
      }
      guard ids.count + maxNewTokens <= description.maximumPositions else {
        throw fail(
          """
          its \(ids.count) tokens and \(maxNewTokens) new ones are more than the model's context of \
          \(description.maximumPositions); lower --max-new-tokens
          """
        )
      }
      prompts.append(Prompt(rewarded: rewarded, text: text, tokens: ids.map { Int32($0) }))
    }
    (self.file, self.prompts) = (file, prompts)
    longest = prompts.reduce(0) { max($0, $1.tokens.count) }
    stream = RandomStream(seed: seed, purpose: "order of prompts")
  }

  /// Throws where rewards pay for reasoning and the model's chat template leaves no place for it.
  package func check(_ rules: RewardRules) throws(ReinforcementError) {
    guard rules.needsReasoning, let prompt = prompts.first(where: { Self.closesReasoning($0.text) }) else { return }
    throw .badPrompt(
      file: file, line: prompt.rewarded.number,
      reason:
        """
        the model's chat template ends the reasoning before the answer begins, and --reward format pays for \
        reasoning; give another template (--chat-template), or a --reward-format-pattern
        """
    )
  }

  /// Whether the answer to a prompt follows reasoning that the prompt has ended already.
  package static func closesReasoning(_ text: String) -> Bool {
    var rest = text[...]
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest.hasSuffix("</think>")
  }

  /// A digest of the prompts, their answers, and the tokens that they are laid out as.
  package var fingerprint: [UInt8] {
    var hash = SHA256()
    hash.update(PromptFile.fingerprint(prompts.map(\.rewarded)))
    for prompt in prompts { prompt.tokens.withUnsafeBytes { hash.update(Array($0)) } }
    return hash.finish()
  }

  /// The prompt at a place of the order: all in a random order, and again in another when they are through.
  package subscript(place: Int) -> Prompt {
    prompts[Shuffle(count: prompts.count, stream: stream, number: place / prompts.count)[place % prompts.count]]
  }
}
