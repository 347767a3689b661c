import JSON

/// The response object of `/v1/responses`, in all its states.
package struct ResponsesAnswer: Sendable, Equatable {
  package var header: ResponseHeader
  /// How the request wants its items, and what is repeated of it.
  package var request: ResponsesRequest

  package init(header: ResponseHeader, request: ResponsesRequest) {
    self.header = header
    self.request = request
  }

  /// `finish`: nil while it goes on. `usage`: once it is known.
  package func json(
    output: [JSONValue], finish: FinishReason? = nil, usage: Usage? = nil, error: APIError? = nil
  ) -> JSONValue {
    let status =
      error != nil ? "failed" : finish == nil ? "in_progress" : finish == .length ? "incomplete" : "completed"
    var object = JSONObject([
      ("id", .string(header.id)), ("object", "response"), ("created_at", .int(header.created)),
      ("status", .string(status)), ("model", .string(header.model)), ("output", .array(output)),
    ])
    object["error"] = error.map { ["code": "server_error", "message": .string($0.message)] } ?? .null
    object["incomplete_details"] = status == "incomplete" ? ["reason": "max_output_tokens"] : .null
    for (name, value) in request.repeated.members { object[name] = value }
    object["usage"] = usage?.responsesJSON ?? .null
    return .object(object)
  }

  /// The items of a reply that is complete.
  package func items(
    of reply: Reply, finish: FinishReason, logprobs: [TokenLogprob], identifiers: IdentifierSource
  ) -> [JSONValue] {
    var items: [JSONValue] = []
    if let text = reply.reasoning {
      items.append(ResponsesItem.reasoning(id: identifiers.item("rs"), text: text).json(.completed, request))
    }
    if reply.content != nil || reply.toolCalls.isEmpty {
      let item = ResponsesItem.message(id: identifiers.item("msg"), text: reply.content ?? "", logprobs: logprobs)
      items.append(item.json(finish == .length && reply.toolCalls.isEmpty ? .incomplete : .completed, request))
    }
    for (i, call) in reply.toolCalls.enumerated() {
      let isCut = finish == .length && i == reply.toolCalls.count - 1
      items.append(ResponsesItem(call, request, identifiers).json(isCut ? .incomplete : .completed, request))
    }
    return items
  }
}

/// An item of a response's output.
enum ResponsesItem: Sendable, Equatable {
  enum Status: String {
    case inProgress = "in_progress"
    case completed, incomplete
  }

  case reasoning(id: String, text: String)
  case message(id: String, text: String, logprobs: [TokenLogprob])
  case call(id: String, ToolCall)
  /// A call of a tool whose input is text.
  case customCall(id: String, ToolCall)
  /// A call of a tool that has items of its own.
  case clientCall(id: String, ClientTool, ToolCall)

  init(_ call: ToolCall, _ request: ResponsesRequest, _ identifiers: IdentifierSource) {
    if let tool = request.clientTools[call.name] {
      self = .clientCall(id: identifiers.item(tool == .localShell ? "lsh" : "tsc"), tool, call)
      return
    }
    self =
      request.customTools.contains(call.name)
      ? .customCall(id: identifiers.item("ctc"), call) : .call(id: identifiers.item("fc"), call)
  }

  var id: String {
    switch self {
    case .reasoning(let id, _), .message(let id, _, _), .call(let id, _), .customCall(let id, _),
      .clientCall(let id, _, _):
      id
    }
  }

  func json(_ status: Status, _ request: ResponsesRequest) -> JSONValue {
    let isBegun = status == .inProgress
    switch self {
    case .reasoning(let id, let text):
      var item = JSONObject([("id", .string(id)), ("type", "reasoning")])
      item["summary"] = isBegun || !request.wantsSummary ? [] : [["type": "summary_text", "text": .string(text)]]
      item["content"] = isBegun ? [] : [Self.reasoningPart(text)]
      if request.wantsEncryptedReasoning, !isBegun { item["encrypted_content"] = .string(SealedReasoning.seal(text)) }
      item["status"] = .string(status.rawValue)
      return .object(item)
    case .message(let id, let text, let logprobs):
      return [
        "id": .string(id), "type": "message", "status": .string(status.rawValue), "role": "assistant",
        "content": isBegun ? [] : [Self.textPart(text, logprobs)],
      ]
    case .call(let id, let call):
      return .object(
        JSONObject(
          [
            ("id", .string(id)), ("type", "function_call"), ("status", .string(status.rawValue)),
            ("call_id", .string(call.id)),
          ] + request.namespaces.members(of: call.name)
            + [("arguments", .string(isBegun ? "" : call.arguments))]))
    case .customCall(let id, let call):
      return .object(
        JSONObject(
          [
            ("id", .string(id)), ("type", "custom_tool_call"), ("status", .string(status.rawValue)),
            ("call_id", .string(call.id)),
          ] + request.namespaces.members(of: call.name)
            + [("input", .string(isBegun ? "" : Self.input(call)))]))
    case .clientCall(let id, let tool, let call):
      return .object(
        JSONObject(
          [
            ("id", .string(id)), ("type", .string(tool.callType)), ("status", .string(status.rawValue)),
            ("call_id", .string(call.id)),
          ] + tool.members(isBegun ? nil : call.arguments)))
    }
  }

  static func reasoningPart(_ text: String) -> JSONValue { ["type": "reasoning_text", "text": .string(text)] }

  static func textPart(_ text: String, _ logprobs: [TokenLogprob]) -> JSONValue {
    [
      "type": "output_text", "text": .string(text), "annotations": [],
      "logprobs": .array(logprobs.map(\.chatJSON)),
    ]
  }

  /// The text that a call of a custom tool gives; all that the model wrote where it is not in the form asked for.
  static func input(_ call: ToolCall) -> String {
    let arguments = try? JSONValue(parsing: call.arguments, limits: JSONLimits(depth: 64))
    return arguments?["input"]?.string ?? call.arguments
  }
}
