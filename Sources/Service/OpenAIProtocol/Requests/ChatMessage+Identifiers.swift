extension [ChatMessage] {
  /// These messages with calls' ids as the model's template wants them: Kimi's are `functions.NAME:INDEX`, counted
  /// through the conversation, and Mistral's templates take only nine letters and digits. Clients bring ids of other
  /// models.
  package func withIdentifiers(for format: ToolCallFormat) -> [ChatMessage] {
    guard format.syntax == .kimi || format.syntax == .mistral else { return self }
    var messages = self
    var renamed: [String: String] = [:]
    var count = 0
    for i in messages.indices {
      for c in messages[i].toolCalls.indices {
        let call = messages[i].toolCalls[c]
        let id = Self.identifier(call, count, format.syntax)
        renamed[call.id] = id
        messages[i].toolCalls[c].id = id
        count += 1
      }
      if let id = messages[i].toolCallID { messages[i].toolCallID = renamed[id] ?? id }
    }
    return messages
  }

  /// How many calls the conversation has had.
  package var callCount: Int { reduce(0) { $0 + $1.toolCalls.count } }

  private static func identifier(_ call: ToolCall, _ index: Int, _ syntax: ToolCallFormat.Syntax) -> String {
    if syntax == .kimi {
      let prefix = "functions.\(call.name):"
      let isOwn = call.id.hasPrefix(prefix) && Int(call.id.dropFirst(prefix.count)) != nil
      return isOwn ? call.id : "\(prefix)\(index)"
    }
    let isOwn =
      call.id.utf8.count == 9
      && call.id.utf8.allSatisfy { ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) }
    if isOwn { return call.id }
    let digits = String(index)
    return "call" + String(repeating: "0", count: Swift.max(0, 5 - digits.count)) + digits.suffix(5)
  }
}
