import EngineAPI
import JSON
import OpenAIProtocol
import StructuredOutput

extension ToolChoice {
  /// The model must call a function.
  var forces: Bool {
    switch self {
    case .required, .function: true
    case .none, .auto: false
    }
  }
}

/// Whether a reply may begin with reasoning.
enum ReasoningPlace: Sendable {
  /// The prompt has opened it.
  case open
  /// The model may open it.
  case possible
  /// The prompt has closed it, or the model knows none.
  case closed
}

extension OutputGrammar {
  /// What a chat's reply must look like; nil where it is free.
  ///
  /// Reasoning may come first. Where the model may call functions, it may do so instead of writing what the response
  /// format asks for: that is for the final text.
  static func of(
    _ request: ChatCompletionRequest, tools: [ToolDefinition], format: ToolCallFormat, reasoning: ReasoningPlace
  ) throws(APIError) -> OutputGrammar? {
    var answer: OutputGrammar?
    let mostCalls = request.allowsParallelToolCalls ? nil : 1
    switch request.toolChoice {
    case .required: answer = try calls(of: tools, format, atMost: mostCalls)
    case .function(let name): answer = try calls(of: tools.filter { $0.name == name }, format, atMost: 1)
    case .none, .auto:
      answer = of(request.responseFormat)
      if let final = answer, format.syntax == .harmony {
        answer = .sequence([.text("<|channel|>final<|message|>"), final])
      }
      if let final = answer, !tools.isEmpty {
        answer = .choice([try calls(of: tools, format, atMost: mostCalls), final])
      }
    }
    guard let answer else { return nil }
    if request.continuesFinalMessage {
      throw .invalidRequest("a message that is continued cannot be held to a form", param: "continue_final_message")
    }
    return .sequence(self.reasoning(format, reasoning) + [answer]).flattened
  }

  /// Reasoning of any length, with what closes it.
  private static func reasoning(_ format: ToolCallFormat, _ place: ReasoningPlace) -> [OutputGrammar] {
    let (open, rest): (String, [OutputGrammar])
    if format.syntax == .harmony {
      open = "<|channel|>analysis<|message|>"
      rest = [.until("<|end|>"), .text("<|start|>assistant")]
    } else if let tags = format.reasoningTags {
      open = tags.open
      rest = [.until(tags.close), .repeated(.text("\n"), separator: "", atLeast: 0, atMost: 2)]
    } else {
      return []
    }
    switch place {
    case .closed: return []
    case .open: return rest
    case .possible: return [.choice([.sequence([.text(open)] + rest), .text("")])]
    }
  }

  /// A sequence of one is that one.
  private var flattened: OutputGrammar {
    if case .sequence(let items) = self, items.count == 1 { items[0] } else { self }
  }

  /// Throws a refusal that names the first of the tools whose parameters no grammar can be made of.
  static func checkEach(_ tools: [ToolDefinition], text: ServedText, facts: EngineFacts) throws(APIError) {
    for tool in tools {
      let param = tool.parametersPath
      do { try OutputGrammar.json(tool.parameters).check(text: text, facts: facts, param: param) } catch {
        throw .invalidRequest(
          "the parameters of the tool '\(tool.name)' ('\(param)') cannot be kept to: \(error.message)", param: param,
          code: error.code)
      }
    }
  }

  /// `strict` closes objects, and has their members come as they are declared.
  private static func json(_ schema: JSONValue, isStrict: Bool) -> OutputGrammar {
    isStrict ? .json(schema.withClosedObjects, inOrder: true) : .json(schema)
  }

  static func of(_ format: ResponseFormat) -> OutputGrammar? {
    switch format {
    case .text: nil
    case .jsonObject: .jsonObject
    case .jsonSchema(_, let schema, let isStrict): .json(schema, isStrict: isStrict)
    }
  }

  private static func calls(
    of tools: [ToolDefinition], _ format: ToolCallFormat, atMost: Int?
  ) throws(APIError) -> OutputGrammar {
    guard let call = format.forcedCall(tools: tools), !call.alternatives.isEmpty else {
      throw .invalidRequest(
        "this model's chat template shows no form of calling functions", param: "tool_choice",
        code: "unsupported_parameter")
    }
    let alternatives = call.alternatives.map { alternative -> OutputGrammar in
      .sequence([
        .text(alternative.prefix), .json(alternative.schema, isStrict: alternative.isStrict), .text(alternative.suffix),
      ])
    }
    let several = OutputGrammar.repeated(
      alternatives.count == 1 ? alternatives[0] : .choice(alternatives), separator: call.envelope.separator, atLeast: 1,
      atMost: call.allowsSeveral ? atMost : 1)
    return .sequence([call.envelope.open, call.envelope.close].map { .text($0) }.inserting(several))
  }
}

extension [OutputGrammar] {
  /// `middle` between the two, of which those without text are left out.
  fileprivate func inserting(_ middle: OutputGrammar) -> [OutputGrammar] {
    [self[0], middle, self[1]].filter { $0 != .text("") }
  }
}
