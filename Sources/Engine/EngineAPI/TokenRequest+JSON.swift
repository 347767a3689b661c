import JSON

extension TokenRequest {
  /// Most log-probabilities to be reported with a token.
  package static let topLogprobsLimit = 1000

  package var json: JSONValue {
    var object = JSONObject([
      ("id", .int(id.value)), ("prompt", .tokens(prompt)), ("drawn", .tokens(drawn)),
      ("max_new_tokens", .int(maxNewTokens)), ("sampling", sampling.json),
      ("stop_tokens", .tokens(stopTokens.sorted())),
    ])
    if let topLogprobs { object["top_logprobs"] = .int(topLogprobs) }
    if let promptLogprobs { object["prompt_logprobs"] = .int(promptLogprobs) }
    if let pooling { object["pooling"] = .string(pooling.rawValue) }
    object["logit_bias"] = .object(
      JSONObject(logitBias.sorted { $0.key < $1.key }.map { (String($0.key), .exactFloat($0.value)) }))
    if let grammar { object["grammar"] = grammar }
    return .object(object)
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, at: "request")
    self.init(
      id: RequestID(try fields.int("id", in: Int.min...Int.max)), prompt: try fields.tokens("prompt"),
      maxNewTokens: try fields.int("max_new_tokens", in: 0...Int(Int32.max)))
    drawn = try fields.tokens("drawn")
    guard drawn.count <= maxNewTokens else {
      throw .outOfRange(
        field: "drawn", value: "\(drawn.count) tokens", range: "at most the \(maxNewTokens) of max_new_tokens")
    }
    sampling = try SamplingParameters(json: try fields.value("sampling"))
    stopTokens = Set(try fields.tokens("stop_tokens"))
    if fields.has("top_logprobs") { topLogprobs = try fields.int("top_logprobs", in: 0...Self.topLogprobsLimit) }
    if fields.has("prompt_logprobs") {
      promptLogprobs = try fields.int("prompt_logprobs", in: 0...Self.topLogprobsLimit)
    }
    if fields.has("pooling") {
      let name = try fields.string("pooling")
      guard let known = Pooling(rawValue: name) else {
        throw .unknownName(field: "pooling", name: name, known: Pooling.allCases.map(\.rawValue))
      }
      pooling = known
    }
    logitBias = try Self.biases(try fields.value("logit_bias"))
    if fields.has("grammar") { grammar = try fields.value("grammar") }
  }

  private static func biases(_ value: JSONValue) throws(EngineAPIError) -> [Int32: Float] {
    guard let object = value.object else {
      throw .wrongKind(field: "logit_bias", found: value.kind, expected: "an object")
    }
    var biases: [Int32: Float] = [:]
    for (key, value) in object.members {
      // One spelling a token: another would be a second bias for it.
      guard let token = Int32(key), token >= 0, String(token) == key else {
        throw .outOfRange(field: "a key of logit_bias", value: "\"\(key)\"", range: "a token id")
      }
      biases[token] = try MessageReader.float(value, "logit_bias.\(key)")
    }
    return biases
  }
}

extension SamplingParameters {
  package var json: JSONValue {
    .object(
      JSONObject([
        ("temperature", .exactFloat(temperature)), ("top_k", .int(topK)), ("top_p", .exactFloat(topP)),
        ("min_p", .exactFloat(minP)), ("repetition_penalty", .exactFloat(repetitionPenalty)),
        ("presence_penalty", .exactFloat(presencePenalty)), ("frequency_penalty", .exactFloat(frequencyPenalty)),
        ("seed", .number(JSONNumber(text: String(seed)))),
      ]))
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, at: "sampling", path: "sampling.")
    self.init()
    temperature = try fields.float("temperature")
    topK = try fields.int("top_k", in: 0...Int(Int32.max))
    topP = try fields.float("top_p")
    minP = try fields.float("min_p")
    repetitionPenalty = try fields.float("repetition_penalty")
    presencePenalty = try fields.float("presence_penalty")
    frequencyPenalty = try fields.float("frequency_penalty")
    seed = try fields.unsigned("seed")
    do throws(SamplingError) { try validate() } catch { throw .sampling(error) }
  }
}
