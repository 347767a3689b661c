import JSON

/// A model's chat template: the Jinja subset that published templates use, run as transformers'
/// `apply_chat_template` runs it (Jinja's immutable sandbox, `trim_blocks` and `lstrip_blocks` on).
///
/// A template reaches only the values it is given and the functions `range`, `dict`, `namespace`,
/// `raise_exception` and `strftime_now`.
package struct ChatTemplate: Sendable {
  private let template: TemplateParser.Template
  private let limits: TemplateLimits

  package init(_ source: String, limits: TemplateLimits = TemplateLimits()) throws(ChatTemplateError) {
    template = try TemplateThread.run(depth: limits.depth) { () throws(ChatTemplateError) in
      try TemplateParser.parse(source, limits: limits)
    }
    self.limits = limits
  }

  /// The template's output for `variables`. `now` is the time `strftime_now` tells.
  package func render(_ variables: JSONObject, now: CalendarTime? = nil) throws(ChatTemplateError) -> String {
    try TemplateThread.run(depth: limits.depth) { () throws(ChatTemplateError) in
      try renderHere(variables, now: now)
    }
  }

  private func renderHere(_ variables: JSONObject, now: CalendarTime?) throws(ChatTemplateError) -> String {
    let rendering = Rendering(limits: limits, now: { now ?? .now() })
    let given = Scope(parent: nil)
    for (name, json) in variables.members { given.bind(name, try rendering.value(of: json)) }
    let root = Scope(parent: given)
    for name in template.shadowedNames { root.bind(name, .undefined(name: name)) }
    return try rendering.render(template.body, in: root)
  }

  /// The prompt of a conversation, with the variables transformers passes: `messages`, `tools` (none if not
  /// given), `documents` (none), `add_generation_prompt`, the special tokens that exist, and `extra`, which wins
  /// over the special tokens.
  ///
  /// A message's reasoning is found under all the names templates read it by, as in transformers 5.
  package func render(
    messages: [JSONValue], tools: JSONValue? = nil, addGenerationPrompt: Bool, bosToken: String? = nil,
    eosToken: String? = nil, extra: JSONObject = JSONObject(), now: CalendarTime? = nil
  ) throws(ChatTemplateError) -> String {
    var variables = JSONObject()
    variables["bos_token"] = bosToken.map { .string($0) }
    variables["eos_token"] = eosToken.map { .string($0) }
    for (name, value) in extra.members { variables[name] = value }
    var aliased: [JSONValue] = []
    for (i, message) in messages.enumerated() {
      guard let object = message.object else { throw .messageNotObject(index: i, kind: message.kind) }
      aliased.append(.object(Self.aliasingReasoning(object)))
    }
    variables["messages"] = .array(aliased)
    variables["tools"] = tools ?? .null
    if variables["documents"] == nil { variables["documents"] = .null }
    variables["add_generation_prompt"] = .bool(addGenerationPrompt)
    return try render(variables, now: now)
  }

  /// The names a message's reasoning is passed under, the standard one first.
  private static let reasoningNames = ["reasoning_content", "thinking", "reasoning"]

  private static func aliasingReasoning(_ message: JSONObject) -> JSONObject {
    guard let reasoning = reasoningNames.lazy.compactMap({ message[$0] }).first(where: { !$0.isNull }) else {
      return message
    }
    var aliased = JSONObject([("thinking", reasoning)])
    for (key, value) in message.members { aliased[key] = value }
    aliased["reasoning_content"] = reasoning
    return aliased
  }
}
