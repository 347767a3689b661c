import JSON
import OpenAIProtocol
import Serving
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

extension OutputGrammar {
  /// What a chat's reply must look like; nil where it is free.
  ///
  /// Where the template has opened the model's reasoning, the reasoning is closed first: only an output that is
  /// constrained from its first token on can be held to a form.
  static func of(
    _ request: ChatCompletionRequest, tools: [ToolDefinition], format: ToolCallFormat, startsInReasoning: Bool
  ) throws(APIError) -> OutputGrammar? {
    let answer: OutputGrammar?
    switch request.toolChoice {
    case .required: answer = try calls(of: tools, format, atMost: request.allowsParallelToolCalls ? nil : 1)
    case .function(let name): answer = try calls(of: tools.filter { $0.name == name }, format, atMost: 1)
    case .none, .auto: answer = of(request.responseFormat)
    }
    guard let answer else { return nil }
    if request.continuesFinalMessage {
      throw .invalidRequest(
        "a message that is continued cannot be held to a form", param: "continue_final_message")
    }
    guard startsInReasoning, let tags = format.reasoningTags else { return answer }
    return .sequence([.text(tags.close + "\n\n"), answer])
  }

  static func of(_ format: ResponseFormat) -> OutputGrammar? {
    switch format {
    case .text: nil
    case .jsonObject: .jsonObject
    case .jsonSchema(_, let schema, let isStrict): .json(isStrict ? schema.withClosedObjects : schema)
    }
  }

  private static func calls(
    of tools: [ToolDefinition], _ format: ToolCallFormat, atMost: Int?
  ) throws(APIError) -> OutputGrammar {
    let tools = tools.map { tool in
      var tool = tool
      if tool.isStrict { tool.parameters = tool.parameters.withClosedObjects }
      return tool
    }
    guard let call = format.forcedCall(tools: tools), !call.alternatives.isEmpty else {
      throw .invalidRequest(
        "this model's chat template shows no form of calling functions", param: "tool_choice",
        code: "unsupported_parameter")
    }
    let alternatives = call.alternatives.map { alternative -> OutputGrammar in
      .sequence([.text(alternative.prefix), .json(alternative.schema), .text(alternative.suffix)])
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
