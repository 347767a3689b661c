import JSON

/// Makes the frames of a streamed response: typed events, counted, in which one item after the other begins, grows and
/// ends.
package struct ResponsesStream: Sendable {
  private let answer: ResponsesAnswer
  private let identifiers: IdentifierSource
  private var sequenceNumber = 0
  /// Items that have ended.
  private var output: [JSONValue] = []
  private var open: ResponsesItem?
  private var frames = ""

  package init(_ answer: ResponsesAnswer, identifiers: IdentifierSource) {
    (self.answer, self.identifiers) = (answer, identifiers)
  }

  package mutating func begin() -> String {
    send("response.created", [("response", answer.json(output: []))])
    send("response.in_progress", [("response", answer.json(output: []))])
    return take()
  }

  /// `logprobs`: of tokens since the last event; kept for text only.
  package mutating func frames(for event: ReplyEvent, logprobs: [TokenLogprob]) -> String {
    switch event {
    case .reasoning(let text): add(reasoning: text)
    case .content(let text), .reasoningWasAnswer(let text): add(content: text, logprobs)
    case .toolCallStarted(_, let id, let name):
      close()
      begin(ResponsesItem(ToolCall(id: id, name: name, arguments: ""), answer.request, identifiers))
    case .toolCallArguments(_, let delta): add(arguments: delta)
    case .toolCallEnded(_, let isComplete): close(isComplete ? .completed : .incomplete)
    }
    return take()
  }

  package mutating func end(_ finish: FinishReason, usage: Usage) -> String {
    // Every response says something.
    if output.isEmpty, open == nil { add(content: "", []) }
    close(finish == .length ? .incomplete : .completed)
    let response = answer.json(output: output, finish: finish, usage: usage)
    send(finish == .length ? "response.incomplete" : "response.completed", [("response", response)])
    return take()
  }

  package mutating func failure(_ error: APIError) -> String {
    close(.incomplete)
    send("response.failed", [("response", answer.json(output: output, error: error))])
    return take()
  }

  private mutating func take() -> String {
    defer { frames = "" }
    return frames
  }

  private mutating func send(_ type: String, _ members: [(String, JSONValue)]) {
    var event = JSONObject([("type", .string(type)), ("sequence_number", .int(sequenceNumber))])
    for (name, value) in members { event[name] = value }
    frames += ServerSentEvents.frame(.object(event), event: type)
    sequenceNumber += 1
  }

  /// An event of the item that is open.
  private mutating func sendOfItem(_ type: String, _ members: [(String, JSONValue)]) {
    guard let open else { return }
    send(type, [("item_id", .string(open.id)), ("output_index", .int(output.count))] + members)
  }

  private mutating func begin(_ item: ResponsesItem) {
    send(
      "response.output_item.added",
      [("output_index", .int(output.count)), ("item", item.json(.inProgress, answer.request))])
    open = item
    switch item {
    case .reasoning:
      if answer.request.wantsSummary {
        sendOfItem(
          "response.reasoning_summary_part.added",
          [("summary_index", 0), ("part", ["type": "summary_text", "text": ""])])
      }
      sendOfItem("response.content_part.added", [("content_index", 0), ("part", ResponsesItem.reasoningPart(""))])
    case .message:
      sendOfItem("response.content_part.added", [("content_index", 0), ("part", ResponsesItem.textPart("", []))])
    case .call, .customCall, .clientCall: break
    }
  }

  private mutating func add(reasoning delta: String) {
    if case .reasoning = open {
    } else {
      close()
      begin(.reasoning(id: identifiers.item("rs"), text: ""))
    }
    guard case .reasoning(let id, let text) = open else { return }
    open = .reasoning(id: id, text: text + delta)
    if answer.request.wantsSummary {
      sendOfItem("response.reasoning_summary_text.delta", [("summary_index", 0), ("delta", .string(delta))])
    }
    sendOfItem("response.reasoning_text.delta", [("content_index", 0), ("delta", .string(delta))])
  }

  private mutating func add(content delta: String, _ added: [TokenLogprob]) {
    if case .message = open {
    } else {
      close()
      begin(.message(id: identifiers.item("msg"), text: "", logprobs: []))
    }
    guard case .message(let id, let text, let logprobs) = open else { return }
    open = .message(id: id, text: text + delta, logprobs: logprobs + added)
    if delta.isEmpty { return }
    sendOfItem(
      "response.output_text.delta",
      [("content_index", 0), ("delta", .string(delta)), ("logprobs", .array(added.map(\.chatJSON)))])
  }

  private mutating func add(arguments delta: String) {
    switch open {
    case .call(let id, var call):
      call.arguments += delta
      open = .call(id: id, call)
      sendOfItem("response.function_call_arguments.delta", [("delta", .string(delta))])
    // Its input is known only when the object around it is.
    case .customCall(let id, var call):
      call.arguments += delta
      open = .customCall(id: id, call)
    case .clientCall(let id, let tool, var call):
      call.arguments += delta
      open = .clientCall(id: id, tool, call)
    default: break
    }
  }

  private mutating func close(_ status: ResponsesItem.Status = .completed) {
    guard let item = open else { return }
    switch item {
    case .reasoning(_, let text):
      if answer.request.wantsSummary {
        sendOfItem("response.reasoning_summary_text.done", [("summary_index", 0), ("text", .string(text))])
        sendOfItem(
          "response.reasoning_summary_part.done",
          [("summary_index", 0), ("part", ["type": "summary_text", "text": .string(text)])])
      }
      sendOfItem("response.reasoning_text.done", [("content_index", 0), ("text", .string(text))])
      sendOfItem("response.content_part.done", [("content_index", 0), ("part", ResponsesItem.reasoningPart(text))])
    case .message(_, let text, let logprobs):
      sendOfItem(
        "response.output_text.done",
        [("content_index", 0), ("text", .string(text)), ("logprobs", .array(logprobs.map(\.chatJSON)))])
      sendOfItem(
        "response.content_part.done", [("content_index", 0), ("part", ResponsesItem.textPart(text, logprobs))])
    case .call(_, let call):
      sendOfItem(
        "response.function_call_arguments.done",
        answer.request.namespaces.members(of: call.name) + [("arguments", .string(call.arguments))])
    case .customCall(_, let call):
      let input = JSONValue.string(ResponsesItem.input(call))
      sendOfItem("response.custom_tool_call_input.delta", [("delta", input)])
      sendOfItem("response.custom_tool_call_input.done", [("input", input)])
    // Its item comes whole.
    case .clientCall: break
    }
    let json = item.json(status, answer.request)
    send("response.output_item.done", [("output_index", .int(output.count)), ("item", json)])
    output.append(json)
    open = nil
  }
}
