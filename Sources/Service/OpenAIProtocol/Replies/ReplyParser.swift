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
    /// Inside reasoning, at what may be calls.
    indirect case doubted(ReasoningCallReader)
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
  /// What begins calls, in the order in which it is looked for; none without tools.
  let openers: CallOpeners
  /// What is dropped between turns; none in most formats.
  let turnMarkers: [Marker]
  /// What the template's opening has let the model think so far; nil where the model opened its reasoning itself.
  var unclosed: String?
  /// Line breaks before what may be a call in reasoning.
  var heldSpace = ""

  /// `tools`: those the request offers; without any, nothing is read as a call. `startsInReasoning`: see
  /// `ToolCallFormat.opensReasoning(prompt:)`. `continuesReasoning`: it goes on in the middle of a text. `callLimit`:
  /// the reply is complete after so many calls. `earlierCalls`: how many the conversation has had.
  package init(
    format: ToolCallFormat, tools: [ToolDefinition] = [], startsInReasoning: Bool = false,
    continuesReasoning: Bool = false, callLimit: Int = .max, earlierCalls: Int = 0, identifiers: IdentifierSource
  ) {
    self.format = format
    self.tools = tools
    output = ReplyOutput(
      identifiers: identifiers, syntax: format.syntax, callLimit: callLimit, earlierCalls: earlierCalls)
    reasoningOpen = format.reasoningTags.map { Marker($0.open) }
    reasoningClose = format.reasoningTags.map { Marker($0.close) }
    openers = CallOpeners(format.syntax, tools: tools)
    turnMarkers = format.turnMarkers.map { Marker($0) }
    if format.syntax == .harmony {
      stage = .call(HarmonyReader(tools: tools, startsInReasoning: startsInReasoning))
    } else if startsInReasoning, reasoningOpen != nil {
      stage = .reasoning(atStart: !continuesReasoning)
      unclosed = ""
    } else {
      stage = .blank(.beforeReply, "")
    }
  }

  /// Takes the next piece; returns what is certain by now.
  package mutating func push(_ text: String) -> [ReplyEvent] {
    pending.append(text)
    while step() {}
    return output.takeEvents()
  }

  /// Ends the text; returns what was held back. The parser must not be used afterwards.
  ///
  /// `isCutOff`: it was ended from outside. Where the model ended it by itself, calls that are open are closed, and
  /// what it wrote after the template had opened its reasoning, and never closed, is its answer.
  package mutating func finish(isCutOff: Bool = true) -> [ReplyEvent] {
    output.isCutOff = isCutOff
    pending.hasEnded = true
    while step() {}
    if !isCutOff, let unclosed, !hasToolCalls {
      self.unclosed = nil
      output.answer(unclosed)
    }
    return output.takeEvents()
  }

  /// No more of the text is wanted.
  package var isComplete: Bool { output.isComplete }

  var isInCall: Bool { if case .call = stage { true } else { false } }

  /// At least one call has begun.
  package var hasToolCalls: Bool { output.callCount > 0 }

  /// What comes next belongs to reasoning, as far as is known: what a token counts as, and whether a grammar for the
  /// reply must still wait.
  package var isInReasoning: Bool {
    switch stage {
    case .reasoning, .doubted: true
    case .call(let reader): reader.isInReasoning
    case .blank, .content: false
    }
  }
}
