import JSON

extension TokenRequest {
  package var json: JSONValue {
    var object = JSONObject([
      ("id", .int(id.value)), ("prompt", .tokens(prompt)), ("sampled", .tokens(sampled)),
      ("max_new_tokens", .int(maxNewTokens)), ("sampling", sampling.json),
      ("stop_tokens", .tokens(stopTokens.sorted())),
    ])
    for (name, value) in details.members { object[name] = value }
    if let promptLogprobs { object["prompt_logprobs"] = .int(promptLogprobs) }
    if let pooling { object["pooling"] = .string(pooling.rawValue) }
    object["logit_bias"] = .object(
      JSONObject(logitBias.sorted { $0.key < $1.key }.map { (String($0.key), .exactFloat($0.value)) }))
    if let grammar { object["grammar"] = grammar }
    return .object(object)
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, of: "request")
    self.init(
      id: RequestID(try fields.integer(needed: "id", in: Int.min...Int.max)),
      prompt: try fields.tokens(needed: "prompt"),
      maxNewTokens: try fields.integer(needed: "max_new_tokens", in: 0...Int(Int32.max)))
    sampled = try fields.tokens(needed: "sampled")
    guard sampled.count <= maxNewTokens else {
      throw .outOfRange(
        field: "sampled", value: "\(sampled.count) tokens", range: "at most the \(maxNewTokens) of max_new_tokens")
    }
    sampling = try SamplingParameters(json: try fields.required("sampling"))
    stopTokens = Set(try fields.tokens(needed: "stop_tokens"))
    details = try TokenDetails(fields)
    promptLogprobs = try fields.integer("prompt_logprobs", in: 0...TokenDetails.topLogprobsLimit)
    pooling = try fields.choice("pooling")
    logitBias = try Self.biases(try fields.required("logit_bias"))
    grammar = fields["grammar"]
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
