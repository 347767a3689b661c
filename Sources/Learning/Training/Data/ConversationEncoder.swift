import JSON
import ModelText
import Tokenization

/// Conversations as tokens, of which only those of answers are learnt: exactly what the model would have been asked to
/// go on from, and what it should have said.
///
/// A conversation is laid out by the model's chat template. An answer is what the template adds to the messages before
/// it, as they are laid out to be answered; one that a later turn lays out otherwise (a template that drops earlier
/// reasoning) is read and not learnt. Where a template never shows an answer as it is to be given (its prompt opens the
/// reasoning, and reasoning is cut out of what was said), the last answer follows the prompt as it is written in the
/// message, without what the prompt has already said of it, and the end-of-sequence token ends it.
package struct ConversationEncoder: Sendable {
  private let codec: TextCodec

  package init(_ codec: TextCodec) { self.codec = codec }

  /// A piece of a conversation's text.
  struct Piece: Equatable {
    var text: String
    var isLearnt: Bool
  }

  /// Tokens of a conversation, those that are not learnt as their complements (`~id`). Throws for one without an answer
  /// to learn.
  func tokens(of messages: [JSONValue], tools: JSONValue?) throws -> [Int32] {
    try pieces(of: messages, tools: tools).flatMap { piece in
      try codec.encode(piece.text, addSpecialTokens: false).map { piece.isLearnt ? Int32($0) : ~Int32($0) }
    }
  }

  func pieces(of messages: [JSONValue], tools: JSONValue?) throws -> [Piece] {
    let answers = messages.indices.filter { messages[$0]["role"]?.string == "assistant" }
    guard let last = answers.last else { throw ConversationError.noAnswer }
    // What follows the last answer would only be read.
    let whole = try layOut(messages[...last], tools, toBeAnswered: false)
    var pieces: [Piece] = []
    var rest = Substring(whole)
    func take(_ prefix: String, isLearnt: Bool) {
      let count = prefix.utf8.count - (whole.utf8.count - rest.utf8.count)
      guard count > 0 else { return }
      pieces.append(Piece(text: String(rest.utf8.prefix(count)) ?? "", isLearnt: isLearnt))
      rest = Substring(rest.utf8.dropFirst(count))
    }
    for answer in answers {
      let asked = try layOut(messages[..<answer], tools, toBeAnswered: true)
      let said = answer == last ? whole : try layOut(messages[...answer], tools, toBeAnswered: false)
      guard starts(said, with: asked), starts(whole, with: said) else { continue }
      take(asked, isLearnt: false)
      take(said, isLearnt: true)
    }
    guard pieces.last?.isLearnt != true else { return pieces }
    return try lastAnswer(messages[...last], tools)
  }

  private func lastAnswer(_ messages: ArraySlice<JSONValue>, _ tools: JSONValue?) throws -> [Piece] {
    let asked = try layOut(messages.dropLast(), tools, toBeAnswered: true)
    guard let content = messages.last?["content"]?.string, !content.isEmpty else { throw ConversationError.noAnswer }
    let overlap = (0...min(asked.utf8.count, content.utf8.count, 256)).reversed().first {
      asked.utf8.suffix($0).elementsEqual(content.utf8.prefix($0))
    }
    let said = String(content.utf8.dropFirst(overlap ?? 0)) ?? content
    return [
      Piece(text: asked, isLearnt: false), Piece(text: said + (try codec.tokenizer().eosToken ?? ""), isLearnt: true),
    ]
  }

  private func layOut(_ messages: ArraySlice<JSONValue>, _ tools: JSONValue?, toBeAnswered: Bool) throws -> String {
    try codec.render(Array(messages), tools: tools, addGenerationPrompt: toBeAnswered)
  }

  private func starts(_ text: String, with prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }
}

/// Why a conversation teaches nothing.
enum ConversationError: Error, Equatable, CustomStringConvertible {
  case noAnswer

  var description: String {
    switch self {
    case .noAnswer: "no message of the role \"assistant\" says anything"
    }
  }
}
