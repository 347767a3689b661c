import Foundation
import JSON
import ModelText
import TestSupport
import Testing

@testable import Training

/// Of a conversation the answers are learnt, as the model would give them.
struct ConversationTests {
  private let folder = TemporaryFolder()

  /// A golden's tokenizer with the template given.
  private func encoder(_ template: String) throws -> ConversationEncoder {
    let path = folder.file("template.jinja")
    try template.write(toFile: path, atomically: true, encoding: .utf8)
    return ConversationEncoder(TextCodec(folder: TrainingFixtures.golden("deepseek_v3"), templateFile: path))
  }

  private static let plain = """
    {%- for m in messages -%}[{{ m.role }}]{{ m.content }}
    {%- if m.role == 'assistant' %}|{% endif -%}{%- endfor -%}
    {%- if add_generation_prompt -%}[assistant]{%- endif -%}
    """
  /// What was thought is left out, and the prompt begins the thinking.
  private static let reasoning = """
    {%- for m in messages -%}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}{%- endfor -%}
    {%- if add_generation_prompt -%}[assistant]<think>{%- endif -%}
    """

  private func messages(_ contents: String...) -> [JSONValue] {
    contents.enumerated().map { ["role": .string($0 % 2 == 0 ? "user" : "assistant"), "content": .string($1)] }
  }

  @Test func everyAnswerIsLearntAndNothingElse() throws {
    let found = try encoder(Self.plain).pieces(of: messages("a", "b", "c", "d", "e"), tools: nil)
    #expect(
      found.map { "\($0.isLearnt ? "+" : "-")\($0.text)" } == [
        "-[user]a[assistant]", "+b|", "-[user]c[assistant]", "+d|",
      ])
  }

  @Test func anAnswerThatIsLaidOutOtherwiseFollowsThePrompt() throws {
    let encoder = try encoder(Self.reasoning)
    let found = try encoder.pieces(of: messages("a", "<think>hm</think>b", "c", "<think>oh</think>d"), tools: nil)
    #expect(found.count == 2 && !found[0].isLearnt && found[0].text == "[user]a[assistant]b[user]c[assistant]<think>")
    #expect(found[1].isLearnt && found[1].text.hasPrefix("oh</think>d") && found[1].text != "oh</think>d")
  }

  @Test func tokensThatAreNotLearntAreComplements() throws {
    let encoder = try encoder(Self.plain)
    let tokens = try encoder.tokens(of: messages("one two", "three"), tools: nil)
    let learnt = try #require(tokens.firstIndex { $0 >= 0 })
    #expect(learnt > 0 && tokens[learnt...].allSatisfy { $0 >= 0 } && tokens[..<learnt].allSatisfy { $0 < 0 })
  }

  @Test func whatTeachesNothingIsAnError() throws {
    let encoder = try encoder(Self.plain)
    #expect(throws: ConversationError.noAnswer) { try encoder.pieces(of: messages("a"), tools: nil) }
  }
}
