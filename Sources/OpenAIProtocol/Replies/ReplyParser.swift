/// Splits a model's text, as it comes, into reasoning, content and calls of functions.
///
/// Where the text is cut into pieces changes nothing but where the events' texts are cut. No text is lost: a call whose
/// beginning cannot be read comes out as content, and one that breaks off as the arguments so far. Only markers go, and
/// whitespace next to them.
package struct ReplyParser: Sendable {
  enum Stage: Sendable {
    /// Only whitespace so far, which is held back.
    case blank(Place, String)
    case reasoning(atStart: Bool)
    case content
    case call(any CallReader)
  }

  enum Place: Sendable { case beforeReply, afterReasoning, beforeContent, afterCall }

  let format: ToolCallFormat
  let tools: [ToolDefinition]
  var stage: Stage
  var pending = PendingText()
  var output: ReplyOutput
  let reasoningOpen: Marker?
  let reasoningClose: Marker?
  /// What begins calls in content; empty without tools.
  let callOpeners: [Marker]
  /// What begins calls in reasoning, which ends there: special tokens only, since reasoning may mention others.
  let reasoningBreakers: [Marker]

  /// `tools`: those the request offers; without any, nothing is read as a call. `startsInReasoning`: see
  /// `ToolCallFormat.opensReasoning(prompt:)`.
  package init(
    format: ToolCallFormat, tools: [ToolDefinition] = [], startsInReasoning: Bool = false,
    identifiers: IdentifierSource
  ) {
    self.format = format
    self.tools = tools
    output = ReplyOutput(identifiers: identifiers, syntax: format.syntax)
    reasoningOpen = format.reasoningTags.map { Marker($0.open) }
    reasoningClose = format.reasoningTags.map { Marker($0.close) }
    let openers = tools.isEmpty ? [] : Self.callOpeners(format.syntax).map { Marker($0) }
    callOpeners = openers
    reasoningBreakers = SectionMarkers(format.syntax) == nil ? [] : openers
    if format.syntax == .harmony {
      stage = .call(HarmonyReader(tools: tools, startsInReasoning: startsInReasoning))
    } else if startsInReasoning, reasoningOpen != nil {
      stage = .reasoning(atStart: true)
    } else {
      stage = .blank(.beforeReply, "")
    }
  }

  /// Takes the next piece; returns what is certain by now.
  package mutating func push(_ text: String) -> [ReplyEvent] {
    pending.append(text)
    while step(atEnd: false) {}
    return output.takeEvents()
  }

  /// Ends the text; returns what was held back. The parser must not be used afterwards.
  package mutating func finish() -> [ReplyEvent] {
    while step(atEnd: true) {}
    return output.takeEvents()
  }

  /// At least one call has begun.
  package var hasToolCalls: Bool { output.callCount > 0 }

  /// What comes next belongs to reasoning, as far as is known: what a token counts as, and whether a grammar for the
  /// reply must still wait.
  package var isInReasoning: Bool {
    switch stage {
    case .reasoning: true
    case .call(let reader): reader.isInReasoning
    case .blank, .content: false
    }
  }

  private static func callOpeners(_ syntax: ToolCallFormat.Syntax) -> [String] {
    // Models leave out the section's beginning now and then.
    if let section = SectionMarkers(syntax) { return [section.open, section.callOpen] }
    return switch syntax {
    case .hermes, .glm, .qwenCoder: ["<tool_call>"]
    case .mistral: ["[TOOL_CALLS]"]
    case .llama: ["<|python_tag|>"]
    case .none, .deepSeekFenced, .deepSeekPlain, .kimi, .harmony: []
    }
  }
}
