import JSON

/// Makes the frames of a streamed message: blocks that begin, grow and end one after the other.
package struct MessagesStream: Sendable {
  private enum Block: Sendable { case thinking, text, call }

  package static let ping = ServerSentEvents.frame(["type": "ping"], event: "ping")

  private let answer: MessagesAnswer
  private var open: Block?
  /// Blocks that have ended.
  private var blockCount = 0
  private var frames = ""

  package init(_ answer: MessagesAnswer) { self.answer = answer }

  package mutating func begin(usage: Usage) -> String {
    send("message_start", [("message", answer.message(content: [], usage: usage.messagesJSON))])
    return take()
  }

  package mutating func frames(for event: ReplyEvent) -> String {
    switch event {
    case .reasoning(let text):
      guard answer.showsThinking else { break }
      openBlock(.thinking, ["type": "thinking", "thinking": "", "signature": ""])
      delta(["type": "thinking_delta", "thinking": .string(text)])
    case .content(let text), .reasoningWasAnswer(let text):
      openBlock(.text, ["type": "text", "text": ""])
      delta(["type": "text_delta", "text": .string(text)])
    case .toolCallStarted(_, let id, let name):
      close()
      openBlock(.call, ["type": "tool_use", "id": .string(id), "name": .string(name), "input": [:]])
    case .toolCallArguments(_, let text): delta(["type": "input_json_delta", "partial_json": .string(text)])
    case .toolCallEnded: close()
    }
    return take()
  }

  package mutating func end(_ finish: FinishReason, stopText: String?, usage: Usage) -> String {
    // Every message says something.
    if blockCount == 0, open == nil { openBlock(.text, ["type": "text", "text": ""]) }
    close()
    send(
      "message_delta",
      [
        (
          "delta",
          [
            "stop_reason": .string(MessagesAnswer.stopReason(finish, stopText: stopText)),
            "stop_sequence": finish == .stop ? stopText.map { .string($0) } ?? .null : .null,
          ]
        ), ("usage", usage.messagesJSON),
      ])
    send("message_stop", [])
    return take()
  }

  package func failure(_ error: APIError) -> String { ServerSentEvents.frame(error.messagesJSON(), event: "error") }

  private mutating func take() -> String {
    defer { frames = "" }
    return frames
  }

  private mutating func send(_ type: String, _ members: [(String, JSONValue)]) {
    frames += ServerSentEvents.frame(.object(JSONObject([("type", .string(type))] + members)), event: type)
  }

  private mutating func delta(_ delta: JSONValue) {
    guard open != nil else { return }
    send("content_block_delta", [("index", .int(blockCount)), ("delta", delta)])
  }

  private mutating func openBlock(_ block: Block, _ start: JSONValue) {
    if open == block { return }
    close()
    open = block
    send("content_block_start", [("index", .int(blockCount)), ("content_block", start)])
  }

  private mutating func close() {
    guard let block = open else { return }
    if block == .thinking { delta(["type": "signature_delta", "signature": .string(MessagesAnswer.signature)]) }
    send("content_block_stop", [("index", .int(blockCount))])
    blockCount += 1
    open = nil
  }
}
