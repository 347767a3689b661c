import JSON

/// The body of `POST /v1/completions`.
package struct CompletionRequest: Sendable, Equatable {
  package enum Prompt: Sendable, Equatable {
    case text(String)
    case tokens([Int])
  }

  /// Nil means the model that is served.
  package var model: String?
  /// At least one. Prompt `p`'s choice `c` has the index `p · choiceCount + c`.
  package var prompts: [Prompt]
  package var sampling: SamplingOptions
  /// Most tokens to generate for each choice; 0 only measures the prompt.
  package var maxTokens: Int
  /// The request says how many; otherwise it takes what fits.
  package var isMaxTokensGiven: Bool
  package var stop: [String]
  /// `stop_token_ids`.
  package var stopTokens: [Int]
  /// How many continuations of each prompt: `n`.
  package var choiceCount: Int
  /// The prompt comes before its continuation in the text.
  package var echoes: Bool
  /// How many of the most probable tokens to tell at each position; nil is no log-probabilities at all.
  package var logprobs: Int?
  /// Nil when the reply is not to be streamed.
  package var stream: StreamOptions?
  package var responseFormat: ResponseFormat
  /// Generation goes on past end-of-text tokens.
  package var ignoresEndOfText: Bool

  /// `max_tokens` where a request gives none: the OpenAI API's default.
  private static let defaultMaxTokens = 16

  /// `defaults`: what holds where the request says nothing, such as the model's own recommendation.
  package init(
    _ body: JSONValue, limits: RequestLimits = RequestLimits(), defaults: SamplingOptions = SamplingOptions()
  ) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.completion.check(reader)
    model = try reader.modelName()
    prompts = try Self.prompts(reader, limits: limits)
    sampling = try SamplingOptions(reader, defaults: defaults, limits: limits)
    echoes = try reader.bool("echo") ?? false
    let asked = try tokenBound(reader, "max_tokens", least: echoes ? 0 : 1)
    let isUnbounded = asked == nil && reader["max_tokens"] != nil
    (maxTokens, isMaxTokensGiven) = (asked ?? (isUnbounded ? .max : Self.defaultMaxTokens), asked != nil)
    stop = try stopTexts(reader, limits: limits)
    stopTokens = try stopTokenIDs(reader, limits: limits)
    choiceCount = try reader.integer("n", in: 1...limits.choiceCount) ?? 1
    guard prompts.count <= limits.promptCount / choiceCount || choiceCount == 1 else {
      throw .outOfRange(
        "n", expected: "few enough for \(limits.promptCount) choices of all prompts", found: "\(choiceCount)")
    }
    if let candidates = try reader.integer("best_of", in: 1...Int.max), candidates != choiceCount {
      throw .unsupported("best_of", "only the value of 'n', which is \(choiceCount), is possible")
    }
    if let suffix = try reader.string("suffix"), !suffix.isEmpty {
      throw .unsupported("suffix", "the model continues prompts, it does not fill gaps")
    }
    logprobs = try reader.integer("logprobs", in: 0...limits.topLogprobCount)
    stream = try StreamOptions.parse(reader)
    responseFormat = try ResponseFormat(reader)
    ignoresEndOfText = try reader.bool("ignore_eos") ?? false
  }

  private static func prompts(_ reader: RequestReader, limits: RequestLimits) throws(APIError) -> [Prompt] {
    let value = try reader.required("prompt")
    if let text = value.string { return [.text(text)] }
    let expected = "a string, an array of strings, an array of token ids or an array of such arrays"
    guard let values = value.array else { throw .wrongType("prompt", expected: expected, found: value) }
    guard let first = values.first else { throw .outOfRange("prompt", expected: expected, found: "empty") }
    if first.number != nil { return [.tokens(try tokenIDs(values, path: "prompt", limits: limits))] }
    guard values.count <= limits.promptCount else {
      throw .outOfRange("prompt", expected: "at most \(limits.promptCount) prompts", found: "\(values.count)")
    }
    var prompts: [Prompt] = []
    for (i, value) in values.enumerated() {
      switch (first, value) {
      case (.string, .string(let text)): prompts.append(.text(text))
      case (.array, .array(let ids)):
        prompts.append(.tokens(try tokenIDs(ids, path: "prompt[\(i)]", limits: limits)))
      case (.string, _): throw .wrongType("prompt[\(i)]", expected: "a string as the first one is", found: value)
      case (.array, _): throw .wrongType("prompt[\(i)]", expected: "an array as the first one is", found: value)
      default: throw .wrongType("prompt[\(i)]", expected: "a string, a token id or an array of token ids", found: value)
      }
    }
    return prompts
  }

  /// At least one token id of the vocabulary each.
  static func tokenIDs(_ values: [JSONValue], path: String, limits: RequestLimits) throws(APIError) -> [Int] {
    guard !values.isEmpty else { throw .outOfRange(path, expected: "at least one token id", found: "empty") }
    let most = limits.vocabularySize.map { $0 - 1 } ?? .max
    var ids: [Int] = []
    ids.reserveCapacity(values.count)
    for (i, value) in values.enumerated() {
      ids.append(try RequestReader.integer(value, path: "\(path)[\(i)]", in: 0...most))
    }
    return ids
  }
}
