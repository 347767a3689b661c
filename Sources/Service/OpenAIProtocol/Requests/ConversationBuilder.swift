import JSON

/// Puts together the messages of a conversation that comes as items or blocks, as other APIs write it.
struct ConversationBuilder {
  private(set) var messages: [ChatMessage] = []
  private var callIDs: Set<ExactString> = []
  /// The last message is an assistant's turn that may have more to it.
  private var isTurnOpen = false

  /// Instructions at the beginning become one message: most templates take no more.
  mutating func add(instructions text: String, role: ChatMessage.Role) {
    isTurnOpen = false
    if messages.count == 1, [.system, .developer].contains(messages[0].role) {
      messages[0].content = (messages[0].content ?? "") + "\n\n" + text
    } else {
      messages.append(ChatMessage(role: role, content: text))
    }
  }

  mutating func add(user text: String) {
    isTurnOpen = false
    messages.append(ChatMessage(role: .user, content: text))
  }

  /// What the assistant thought; begins a turn, unless nothing but thoughts came in it so far.
  mutating func add(reasoning text: String) {
    openTurn { $0.content == nil && $0.toolCalls.isEmpty }
    let before = messages[messages.count - 1].reasoning.map { $0 + "\n" } ?? ""
    messages[messages.count - 1].reasoning = before + text
  }

  /// What the assistant said; belongs to the thoughts before it.
  mutating func add(assistant text: String) {
    openTurn { $0.content == nil && $0.toolCalls.isEmpty }
    messages[messages.count - 1].content = text
  }

  /// A call; belongs to the text and the calls before it.
  mutating func add(_ call: ToolCall) {
    openTurn { _ in true }
    messages[messages.count - 1].toolCalls.append(call)
    callIDs.insert(ExactString(call.id))
  }

  /// A whole turn of the assistant.
  mutating func add(turn: ChatMessage) {
    isTurnOpen = false
    for call in turn.toolCalls { callIDs.insert(ExactString(call.id)) }
    messages.append(turn)
  }

  /// What a call returned. `path` is where its id stands.
  mutating func add(output text: String, of id: String, path: String) throws(APIError) {
    guard callIDs.contains(ExactString(id)) else {
      throw .invalidRequest(
        "'\(path)' is '\(APIError.clipped(id))', but nothing before it makes that call", param: path)
    }
    isTurnOpen = false
    messages.append(ChatMessage(role: .tool, content: text, toolCallID: id))
  }

  private mutating func openTurn(ifLast takes: (ChatMessage) -> Bool) {
    if isTurnOpen, let last = messages.last, takes(last) { return }
    messages.append(ChatMessage(role: .assistant, content: nil))
    isTurnOpen = true
  }
}

extension JSONObject {
  /// What chat templates of the families take to reason or not: `enable_thinking` (Qwen 3, GLM 4.5), `thinking`
  /// (DeepSeek V3.1, Kimi) and `reasoning_effort` (gpt-oss). What is there already stays.
  mutating func addReasoning(isWanted: Bool, effort: String? = nil) {
    for name in ["enable_thinking", "thinking"] where self[name] == nil { self[name] = .bool(isWanted) }
    if let effort, self["reasoning_effort"] == nil { self["reasoning_effort"] = .string(effort) }
  }
}
