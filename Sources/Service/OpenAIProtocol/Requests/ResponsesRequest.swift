import EngineAPI
import JSON

/// The body of `POST /v1/responses`: a conversation in items, and what the answer repeats of the request.
package struct ResponsesRequest: Sendable, Equatable {
  /// The conversation as a chat.
  package var chat: ChatCompletionRequest
  package var isStreamed: Bool
  /// `reasoning.summary` is asked for; the reasoning itself is told as its summary.
  package var wantsSummary: Bool
  /// `include` asks for reasoning in a form to be sent back.
  package var wantsEncryptedReasoning: Bool
  /// Tools whose input is text.
  package var customTools: Set<String>
  /// Tools with items of their own, by name.
  var clientTools: [String: ClientTool]
  /// Tools that have two names.
  package var namespaces: ToolNamespaces
  /// Members of the response that repeat the request.
  package var repeated: JSONObject

  package init(
    _ body: JSONValue, limits: RequestLimits = RequestLimits(), defaults: SamplingOptions = SamplingOptions()
  ) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.responses.check(reader)
    try Self.checkState(reader)
    let input = try ResponsesInput(reader, limits: limits)
    chat = ChatCompletionRequest(
      model: try reader.modelName(), messages: input.messages,
      sampling: try SamplingOptions(reader, defaults: defaults, limits: limits))
    (chat.promptName, chat.formatName, chat.maxTokensMustFit) = ("input", "text.format", false)
    chat.maxTokens = try reader.integer("max_output_tokens", in: 1...Int.max)
    chat.stop = try stopTexts(reader, limits: limits)
    chat.stopTokens = try stopTokenIDs(reader, limits: limits)
    chat.ignoresEndOfText = try reader.bool("ignore_eos") ?? false
    let text = try reader.reader("text")
    if let text { try RequestMembers.responsesText.check(text) }
    if let text, let format = try text.reader("format") { chat.responseFormat = try ResponseFormat(flat: format) }
    let tools = try ResponsesTools(reader, limits: limits)
    (chat.tools, customTools, clientTools, namespaces) = (tools.tools, tools.custom, tools.client, tools.namespaces)
    chat.toolChoice = tools.tools.isEmpty && tools.choice == .auto ? .none : tools.choice
    chat.allowsParallelToolCalls = try reader.bool("parallel_tool_calls") ?? true
    let included = Set((try reader.array("include") ?? []).compactMap(\.string))
    wantsEncryptedReasoning = included.contains("reasoning.encrypted_content")
    let candidates = try reader.integer("top_logprobs", in: 0...limits.topLogprobCount) ?? 0
    chat.wantsLogprobs = candidates > 0 || included.contains("message.output_text.logprobs")
    chat.topLogprobs = candidates
    isStreamed = try StreamOptions.parse(reader) != nil
    chat.templateVariables = try ChatCompletionRequest.templateVariables(reader)
    let reasoning = try reader.reader("reasoning")
    wantsSummary = try Self.summary(reasoning)
    if let effort = try ChatCompletionRequest.effort(reasoning, "effort") {
      chat.templateVariables.addReasoning(isWanted: effort != "none", effort: effort)
    }
    repeated = Self.repeated(reader, chat.sampling)
  }

  /// Nothing is kept between requests: what refers to kept things is refused.
  private static func checkState(_ reader: RequestReader) throws(APIError) {
    if let id = try reader.string("previous_response_id"), !id.isEmpty {
      throw APIError(
        status: 400, code: "previous_response_not_found", param: "previous_response_id",
        message: "the response '\(APIError.clipped(id))' is not kept, as none is on this server: "
          + "send its items in 'input' again")
    }
    if try reader.bool("background") ?? false {
      throw .unsupported("background", "nothing is kept here that could be asked for later: use 'stream'")
    }
    if let truncation = try reader.string("truncation"), !["disabled", "auto"].contains(truncation) {
      throw .outOfRange("truncation", expected: "'auto' or 'disabled'", found: "'\(truncation)'")
    }
  }

  private static func summary(_ reasoning: RequestReader?) throws(APIError) -> Bool {
    guard let reasoning else { return false }
    let (summary, old) = (try reasoning.string("summary"), try reasoning.string("generate_summary"))
    return (summary ?? old).map { $0 != "none" } ?? false
  }

  private static func repeated(_ reader: RequestReader, _ sampling: SamplingOptions) -> JSONObject {
    func given(_ name: String, _ otherwise: JSONValue = .null) -> (String, JSONValue) {
      (name, reader[name] ?? otherwise)
    }
    let offered = (reader["tools"]?.array ?? []).filter { !ResponsesTools.isLeftOut($0) }
    var object = JSONObject([
      ("background", false), given("instructions"), given("max_output_tokens"), given("max_tool_calls"),
      given("parallel_tool_calls", true), ("previous_response_id", .null), given("prompt_cache_key"),
    ])
    object["reasoning"] = [
      "effort": reader["reasoning"]?["effort"] ?? .null, "summary": reader["reasoning"]?["summary"] ?? .null,
    ]
    for (name, value) in [
      given("safety_identifier"), ("service_tier", "default"), ("store", false),
      ("temperature", .double(sampling[.temperature])), given("text", ["format": ["type": "text"]]),
      given("tool_choice", "auto"), ("tools", .array(offered)), given("top_logprobs", 0),
      ("top_p", .double(sampling[.topP])), ("truncation", "disabled"), given("user"), given("metadata", [:]),
    ] { object[name] = value }
    if object["text"]?["format"] == nil, var text = object["text"]?.object {
      text["format"] = ["type": "text"]
      object["text"] = .object(text)
    }
    return object
  }
}
