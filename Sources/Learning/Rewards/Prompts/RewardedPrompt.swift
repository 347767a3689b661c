import Evaluation
import JSON

/// What a model is asked, and what its completions are held against: a line of a file of prompts.
package struct RewardedPrompt: Sendable, Equatable {
  package enum Content: Sendable, Equatable {
    /// To be continued as it is.
    case text(String)
    /// To be laid out by the model's chat template; the last is to be answered.
    case messages([JSONValue], tools: JSONValue?)
  }

  /// Of its line, from 1.
  package let number: Int
  package let content: Content
  /// Of no texts where the line has no answer.
  package let target: GradedTarget
  package var hasAnswer: Bool { !target.texts.isEmpty }
  /// As it was read: reward programs get all of it.
  package let line: JSONValue

  package init(number: Int, content: Content, target: GradedTarget, line: JSONValue) {
    (self.number, self.content, self.target, self.line) = (number, content, target, line)
  }
}

/// Why a line is no prompt, with what to do about it.
struct PromptFault: Error, Equatable {
  var reason: String
}

extension RewardedPrompt {
  /// Reads a line's object. What graders take (`answer`, `numbers`, `falsehoods`) must have their forms only where
  /// answers are required: otherwise a reward program may have its own use of these names.
  init(_ line: JSONValue, number: Int, requiresAnswers: Bool) throws(PromptFault) {
    guard let object = line.object else {
      throw PromptFault(reason: "it is \(line.kind); write one JSON object a line")
    }
    self.init(
      number: number, content: try Self.content(object),
      target: try Self.target(object, requiresAnswers: requiresAnswers), line: line)
  }

  private static func content(_ object: JSONObject) throws(PromptFault) -> Content {
    switch (present(object["prompt"]), present(object["messages"])) {
    case (nil, nil): throw PromptFault(reason: "it has neither a prompt nor messages; give one of the two")
    case (.some, .some): throw PromptFault(reason: "it has both a prompt and messages; leave one of the two out")
    case (let prompt?, nil):
      guard let text = prompt.string else {
        throw PromptFault(reason: "its prompt is \(prompt.kind); write a string, or \"messages\"")
      }
      guard !text.isEmpty else { throw PromptFault(reason: "its prompt is empty; write what is to be continued") }
      return .text(text)
    case (nil, let messages?):
      return .messages(try self.messages(messages), tools: try tools(object))
    }
  }

  private static func messages(_ value: JSONValue) throws(PromptFault) -> [JSONValue] {
    let form = "write [{\"role\": \"user\", \"content\": …}]"
    guard let messages = value.array else { throw PromptFault(reason: "its messages are \(value.kind); \(form)") }
    guard let last = messages.last else { throw PromptFault(reason: "its list of messages is empty; \(form)") }
    for (place, message) in messages.enumerated() {
      guard message.object != nil else { throw PromptFault(reason: "message \(place + 1) is \(message.kind); \(form)") }
      guard let role = message["role"]?.string, !role.isEmpty else {
        throw PromptFault(reason: "message \(place + 1) has no role; \(form)")
      }
    }
    guard last["role"]?.string != "assistant" else {
      throw PromptFault(
        reason:
          "its last message is the assistant's own; end with what it is to answer, and put the answer into \"answer\"")
    }
    return messages
  }

  private static func tools(_ object: JSONObject) throws(PromptFault) -> JSONValue? {
    guard let tools = present(object["tools"]) else { return nil }
    guard let list = tools.array else { throw PromptFault(reason: "its tools are \(tools.kind); write a list of them") }
    return list.isEmpty ? nil : tools
  }

  private static func target(_ object: JSONObject, requiresAnswers: Bool) throws(PromptFault) -> GradedTarget {
    do throws(PromptFault) {
      guard let answer = present(object["answer"]) else {
        throw PromptFault(
          reason:
            """
            it has no answer, by which its completions are to be judged; add \"answer\": a text, a number, or a \
            list of them
            """
        )
      }
      return GradedTarget(
        try texts(answer, of: "answer"), numbers: try numbers(present(object["numbers"])),
        falsehoods: try present(object["falsehoods"]).map { (value) throws(PromptFault) in
          try texts(value, of: "falsehoods")
        } ?? [])
    } catch {
      guard requiresAnswers else { return GradedTarget([]) }
      throw error
    }
  }

  /// One text or number, or several.
  private static func texts(_ value: JSONValue, of name: String) throws(PromptFault) -> [String] {
    let values = value.array ?? [value]
    guard !values.isEmpty else {
      throw PromptFault(reason: "its \(name) is an empty list; give what is right, or wrong")
    }
    var texts: [String] = []
    for value in values {
      guard let text = value.string ?? value.number?.text else {
        throw PromptFault(reason: "its \(name) has \(value.kind) in it; write texts or numbers")
      }
      guard text.contains(where: { !$0.isWhitespace }) else {
        throw PromptFault(reason: "its \(name) has an empty text in it; write what a completion might say")
      }
      texts.append(text)
    }
    return texts
  }

  private static func numbers(_ value: JSONValue?) throws(PromptFault) -> [Int] {
    guard let value else { return [] }
    guard let values = value.array else {
      throw PromptFault(reason: "its numbers are \(value.kind); write a list of integers")
    }
    var numbers: [Int] = []
    for value in values {
      guard let number = value.exactInt else {
        throw PromptFault(
          reason: "its numbers have \((value.number?.text ?? value.kind).cut) among them; write integers")
      }
      numbers.append(number)
    }
    return numbers
  }

  private static func present(_ value: JSONValue?) -> JSONValue? { value.flatMap { $0.isNull ? nil : $0 } }
}
