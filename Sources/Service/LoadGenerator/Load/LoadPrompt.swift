import JSON

/// What one request asks to be continued.
package enum LoadPrompt: Sendable, Equatable {
  case ids([Int32])
  case text(String)
  /// A conversation, as `/v1/chat/completions` takes it.
  case messages([JSONValue])
}

/// How the prompts of a load are made.
package enum PromptSource: Sendable {
  /// Random token ids, each prompt different from its first token on.
  case random(length: Int)
  /// The same first `prefix` tokens, and `tail` more of their own.
  case sharedPrefix(prefix: Int, tail: Int)
  /// Given ones, in random order, again from the start when they are used up.
  case given([LoadPrompt])
  /// Stretches of `length` tokens out of texts, from random places.
  case stretches([[Int32]], length: Int)

  /// The prompts of `count` requests; the same for the same seed. `vocabularySize` is used where ids are random.
  package func prompts(_ count: Int, seed: UInt64, vocabularySize: Int) throws(LoadError) -> [LoadPrompt] {
    var source = RandomSource(seed: seed)
    let limit = Int32(clamping: max(vocabularySize, 1))
    func ids(_ count: Int) -> [Int32] { (0..<count).map { _ in Int32.random(in: 0..<limit, using: &source) } }
    switch self {
    case .random(let length): return (0..<count).map { _ in .ids(ids(length)) }
    case .sharedPrefix(let prefix, let tail):
      let shared = ids(prefix)
      return (0..<count).map { _ in .ids(shared + ids(tail)) }
    case .given(let prompts):
      guard !prompts.isEmpty else { throw .noPrompts }
      var order: [LoadPrompt] = []
      while order.count < count { order += prompts.shuffled(using: &source).prefix(count - order.count) }
      return order
    case .stretches(let texts, let length):
      let usable = texts.filter { $0.count >= length }
      guard !usable.isEmpty else { throw .shortTexts(tokens: texts.map(\.count).max() ?? 0, length: length) }
      return (0..<count).map { _ in
        let text = usable[Int.random(in: 0..<usable.count, using: &source)]
        let start = Int.random(in: 0...(text.count - length), using: &source)
        return .ids(Array(text[start..<start + length]))
      }
    }
  }
}

extension LoadPrompt {
  /// A prompt as a line of a data set gives it: `prompt` (text or ids), `text`, or `messages`. `line` counts from 1,
  /// for the error.
  package init(_ object: JSONObject, line: Int) throws(LoadError) {
    if let messages = object["messages"]?.array {
      self = .messages(messages)
    } else if let text = object["prompt"]?.string ?? object["text"]?.string {
      self = .text(text)
    } else if let values = object["prompt"]?.array {
      var ids: [Int32] = []
      for value in values {
        guard let id = value.exactInt.flatMap({ Int32(exactly: $0) }), id >= 0 else {
          throw .badPrompt(line: line, reason: "ids must be integers of 0 or more")
        }
        ids.append(id)
      }
      self = .ids(ids)
    } else {
      throw .badPrompt(line: line, reason: "it has none of \"prompt\", \"text\" and \"messages\"")
    }
  }
}
