import EngineAPI
import JSON
import ModelText
import OpenAIProtocol
import StructuredOutput

/// A chat request, understood: what the engine is to continue, and how its answer is read.
struct ChatPlan: Sendable {
  let request: ChatCompletionRequest
  let format: ToolCallFormat
  /// Those the model may call.
  let tools: [ToolDefinition]
  let prompt: [Int32]
  let startsInReasoning: Bool
  /// Calls of a reply, at most.
  let callLimit: Int
  let stopTokens: Set<Int32>
  let stops: StopStrings
  let grammar: JSONValue?
  let maxNewTokens: Int

  /// Takes time in proportion to the conversation. Throws refusals.
  init(_ request: ChatCompletionRequest, text: ServedText, facts: EngineFacts, contextLength: Int) throws(APIError) {
    self.request = request
    stops = StopStrings(request.stop)
    tools = request.toolChoice == .none ? [] : request.tools
    format = text.format(family: facts.family, hasTools: !tools.isEmpty)
    callLimit = request.allowsParallelToolCalls ? .max : 1
    if !tools.isEmpty, !format.supportsTools {
      throw .invalidRequest(
        "this model's chat template shows no form of calling functions", param: "tools", code: "unsupported_parameter")
    }
    let rendered = try text.render(
      request.messages, tools: tools, variables: request.templateVariables,
      addsGenerationPrompt: request.addsGenerationPrompt, continuesFinalMessage: request.continuesFinalMessage,
      family: facts.family, promptName: request.promptName)
    // The template writes the special tokens itself.
    prompt = try text.encode(rendered, addSpecialTokens: false).map { Int32($0) }
    let continued = request.continuesFinalMessage ? request.messages.last?.content : nil
    startsInReasoning = continued.map(format.leavesReasoningOpen) ?? format.opensReasoning(prompt: rendered)
    stopTokens = (request.ignoresEndOfText ? [] : text.chatStopTokens(format))
      .union(request.stopTokens.map { Int32($0) })
    maxNewTokens = try TokenRoom(
      promptCount: prompt.count, contextLength: contextLength, modelLength: facts.maximumPositions,
      param: request.promptName
    ).maxNewTokens(asked: request.maxTokens, mustFit: request.maxTokensMustFit)
    let reasoning: ReasoningPlace =
      startsInReasoning ? .open : format.closesReasoning(prompt: rendered) ? .closed : .possible
    let grammar = try OutputGrammar.of(request, tools: tools, format: format, reasoning: reasoning)
    do throws(APIError) {
      try grammar?.check(text: text, facts: facts, param: request.toolChoice.forces ? "tools" : request.formatName)
    } catch {
      // A grammar has many schemas: whose is it?
      try OutputGrammar.checkEach(tools, text: text, facts: facts)
      throw error
    }
    self.grammar = grammar?.json
  }

  /// The sequences of the request's choices.
  func tokenRequests(ids: Range<Int>) throws(APIError) -> [TokenRequest] {
    var requests: [TokenRequest] = []
    for (choice, id) in ids.enumerated() {
      var token = TokenRequest(id: RequestID(id), prompt: prompt, maxNewTokens: maxNewTokens)
      token.sampling = try request.sampling.parameters(choice: choice)
      token.logitBias = request.sampling.tokenBias
      token.stopTokens = stopTokens
      token.details.topLogprobs = request.wantsLogprobs ? request.topLogprobs : nil
      token.grammar = grammar
      requests.append(token)
    }
    return requests
  }
}

/// What a prompt leaves of the model's context.
struct TokenRoom {
  let promptCount: Int
  let contextLength: Int
  /// What the model could hold in a larger cache.
  let modelLength: Int
  let param: String

  /// Throws when the prompt alone does not fit.
  func checkPrompt() throws(APIError) {
    guard promptCount <= contextLength else {
      throw .promptTooLong(
        promptTokens: promptCount, contextLength: contextLength, modelLength: modelLength, param: param,
        generates: false)
    }
  }

  /// As many as were asked for, which must fit unless they are but a bound; or else all that fit.
  func maxNewTokens(asked: Int?, mustFit: Bool = true) throws(APIError) -> Int {
    let room = contextLength - promptCount
    guard room >= 1 else {
      throw .promptTooLong(
        promptTokens: promptCount, contextLength: contextLength, modelLength: modelLength, param: param)
    }
    guard let asked else { return room }
    guard asked <= room else {
      if !mustFit { return room }
      throw .outputTooLong(
        promptTokens: promptCount, maxTokens: asked, contextLength: contextLength, modelLength: modelLength)
    }
    return asked
  }
}
