import EngineAPI
import JSON
import Testing

@testable import OpenAIProtocol

/// The parameters that chat and text completions share.
private let badParameters: [BadMember] = [
  .init("model", "3", "invalid_type"),
  .init("temperature", "\"hot\"", "invalid_type"), .init("temperature", "\"NaN\"", "invalid_type"),
  .init("temperature", "-0.001", "invalid_value"), .init("temperature", "2.001", "invalid_value"),
  .init("temperature", "1e999", "invalid_value"), .init("temperature", "-1e999", "invalid_value"),
  .init("temperature", "true", "invalid_type"), .init("temperature", "[1]", "invalid_type"),
  .init("top_p", "0", "invalid_value"), .init("top_p", "1.01", "invalid_value"), .init("top_p", "{}", "invalid_type"),
  .init("top_p", "1e-999", "invalid_value"),
  .init("top_k", "-2", "invalid_value"), .init("top_k", "1.5", "invalid_value"),
  .init("top_k", "99999999999999999999999999", "invalid_value"), .init("top_k", "\"1\"", "invalid_type"),
  .init("min_p", "-1", "invalid_value"), .init("min_p", "1.5", "invalid_value"),
  .init("seed", "1.5", "invalid_value"), .init("seed", "9223372036854775808", "invalid_value"),
  .init("seed", "\"1\"", "invalid_type"),
  .init("n", "0", "invalid_value"), .init("n", "129", "invalid_value"), .init("n", "-1", "invalid_value"),
  .init("max_tokens", "0", "invalid_value"), .init("max_tokens", "-5", "invalid_value"),
  .init("max_tokens", "1e3", "invalid_value"), .init("max_tokens", "\"5\"", "invalid_type"),
  .init("presence_penalty", "2.1", "invalid_value"), .init("presence_penalty", "-2.1", "invalid_value"),
  .init("frequency_penalty", "-3", "invalid_value"), .init("frequency_penalty", "\"a\"", "invalid_type"),
  .init("repetition_penalty", "0", "invalid_value"), .init("repetition_penalty", "11", "invalid_value"),
  .init("stop", "\"\"", "invalid_value"), .init("stop", "3", "invalid_type"),
  .init("stop", "[\"a\", 3]", "invalid_type", param: "stop[1]"),
  .init("stop", "[\"\"]", "invalid_value", param: "stop[0]"),
  .init("stop", "\"\(String(repeating: "x", count: 4097))\"", "invalid_value"),
  .init("stop", "[\"a\", \"\(String(repeating: "\u{E9}", count: 2049))\"]", "invalid_value", param: "stop[1]"),
  .init("stop", "[\(Array(repeating: "\"x\"", count: 17).joined(separator: ","))]", "invalid_value"),
  .init("logit_bias", "[]", "invalid_type"),
  .init("logit_bias", "{\"5\": 101}", "invalid_value", param: "logit_bias.5"),
  .init("logit_bias", "{\"5\": \"x\"}", "invalid_type", param: "logit_bias.5"),
  .init("logit_bias", "{\"-5\": 1}", "invalid_value"), .init("logit_bias", "{\"five\": 1}", "invalid_value"),
  .init("logit_bias", "{\"\": 1}", "invalid_value"), .init("logit_bias", "{\"5.0\": 1}", "invalid_value"),
  .init("logit_bias", "{\"99999999999999999999\": 1}", "invalid_value"),
  .init("logit_bias", "{\"5\": 1, \"05\": 1}", "invalid_value", param: "logit_bias.05"),
  .init("logit_bias", "{\"5\": null}", "invalid_type", param: "logit_bias.5"),
  .init("stream", "1", "invalid_type"), .init("stream", "\"true\"", "invalid_type"),
  .init("stream_options", "{\"include_usage\": true}", "invalid_value"),
  .init("ignore_eos", "0", "invalid_type"),
  .init("response_format", "\"json\"", "invalid_type"),
  .init("response_format", "{}", "missing_required_parameter", param: "response_format.type"),
  .init("response_format", "{\"type\": \"xml\"}", "invalid_value", param: "response_format.type"),
  .init(
    "response_format", "{\"type\": \"json_schema\"}", "missing_required_parameter",
    param: "response_format.json_schema"),
  .init(
    "response_format", "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a b\", \"schema\": {}}}",
    "invalid_value", param: "response_format.json_schema.name"),
  .init(
    "response_format", "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\", \"schema\": []}}",
    "invalid_type", param: "response_format.json_schema.schema"),
  .init(
    "response_format", "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\", \"shcema\": {}}}",
    "unknown_parameter", param: "response_format.json_schema.shcema"),
  .init(
    "response_format", "{\"type\": \"text\", \"json_schema\": {}}", "invalid_value",
    param: "response_format.json_schema"),
  .init("guided_json", "{}", "unsupported_parameter"), .init("min_tokens", "5", "unsupported_parameter"),
  .init("temprature", "1", "unknown_parameter"), .init("frobnicate", "false", "unknown_parameter"),
]

@Suite struct SamplingParameterTests {
  @Test(arguments: badParameters)
  func aBadParameterIsRefusedByNameInBothRequests(bad: BadMember) throws {
    for refusal in [try chatRefusal(bad.name, bad.text), try completionRefusal(bad.name, bad.text)] {
      #expect(refusal.status == 400)
      #expect(refusal.type == "invalid_request_error")
      #expect(refusal.param == bad.param)
      #expect(refusal.code == bad.code)
      #expect(refusal.message.utf8.count < 500)
    }
  }

  @Test func goodParametersAreReadInBothRequests() throws {
    let members = try #require(
      json(
        """
        {"temperature": 0, "top_p": 0.5, "top_k": 40, "min_p": 0.05, "seed": -3, "n": 2, "max_tokens": 7,
         "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1.5, "stop": ["a", "b"],
         "logit_bias": {"5": -100, "7": 0.5}, "stream": true,
         "stream_options": {"include_usage": true, "include_obfuscation": false}, "ignore_eos": true,
         "response_format": {"type": "json_object"}, "user": "me", "metadata": {"a": 1}, "service_tier": "auto",
         "store": true, "safety_identifier": "x", "prompt_cache_key": "y"}
        """
      ).object)
    var sampling = SamplingOptions()
    (sampling[.temperature], sampling[.topP], sampling[.topK], sampling[.minP], sampling.seed) = (0, 0.5, 40, 0.05, -3)
    (sampling[.presencePenalty], sampling[.frequencyPenalty], sampling[.repetitionPenalty]) = (-2, 2, 1.5)
    sampling.logitBias = [5: -100, 7: 0.5]
    let chat = try ChatCompletionRequest(chatBody(Array(zip(members.keys, members.values))))
    #expect(chat.sampling == sampling)
    #expect(chat.stop == ["a", "b"] && chat.choiceCount == 2 && chat.maxTokens == 7 && chat.ignoresEndOfText)
    #expect(chat.stream?.includesUsage == true && chat.responseFormat == .jsonObject)
    let completion = try CompletionRequest(completionBody(Array(zip(members.keys, members.values))))
    #expect(completion.sampling == sampling)
    #expect(completion.stop == ["a", "b"] && completion.choiceCount == 2 && completion.maxTokens == 7)
    #expect(completion.stream?.includesUsage == true && completion.ignoresEndOfText)
  }

  @Test func aModelNeedNotBeNamed() throws {
    for model: JSONValue in [.null, ""] {
      #expect(try ChatCompletionRequest(chatBody([("model", model)])).model == nil)
      #expect(try CompletionRequest(completionBody([("model", model)])).model == nil)
    }
    #expect(try CompletionRequest(["prompt": "a"]).model == nil)
    #expect(try ChatCompletionRequest(chatBody()).model == "m")
  }

  /// What clients send that send all their settings.
  @Test(arguments: [
    ("best_of", "1"), ("min_tokens", "0"), ("skip_special_tokens", "true"), ("length_penalty", "1.0"),
    ("use_beam_search", "false"), ("early_stopping", "false"), ("bad_words", "[]"),
    ("spaces_between_special_tokens", "true"), ("include_stop_str_in_output", "false"), ("logprobs", "null"),
    ("logit_bias", "{}"), ("n", "1"), ("stop", "[]"), ("stop", "null"), ("prediction", "null"), ("store", "false"),
    ("service_tier", "\"auto\""), ("prompt_cache_key", "\"k\""), ("safety_identifier", "\"s\""),
    ("verbosity", "\"low\""),
    ("metadata", "{}"), ("echo", "false"), ("suffix", "\"\""), ("functions", "null"), ("top_k", "-1"),
    ("repetition_penalty", "1"), ("ignore_eos", "false"), ("stream_options", "{}"),
    ("tfs_z", "1"), ("no_repeat_ngram_size", "0"), ("mirostat_mode", "0"), ("num_beams", "1"), ("options", "{}"),
    ("provider", "{}"), ("guided_decoding_backend", "null"), ("nobody_knows_this", "null"),
    // Settings of Hugging Face's `generate` and its server.
    ("do_sample", "true"), ("watermark", "false"), ("details", "false"), ("return_full_text", "false"),
    ("num_return_sequences", "1"), ("num_beam_groups", "1"), ("diversity_penalty", "0.0"), ("use_cache", "true"),
    ("min_new_tokens", "0"), ("renormalize_logits", "false"), ("bad_words_ids", "[]"), ("top_n_tokens", "0"),
    ("stop_sequences", "[]"),
    ("return_logprob", "false"), ("logprob_start_len", "-1"), ("top_logprobs_num", "0"), ("kv_transfer_params", "{}"),
    ("vllm_xargs", "{}"), ("usage", #"{"include": true}"#),
    // Those of llama.cpp and of the pages that speak to it.
    ("seed", "-1"), ("id_slot", "-1"), ("timings_per_token", "true"), ("dynatemp_exponent", "1"),
    ("xtc_probability", "0"), ("xtc_threshold", "0.1"), ("dry_multiplier", "0"), ("dry_base", "1.75"),
    ("dry_allowed_length", "2"), ("dry_penalty_last_n", "-1"), ("dry_sequence_breakers", #"["\n", ":"]"#),
    ("mirostat_tau", "5"), ("repeat_last_n", "-1"), ("n_predict", "-1"), ("reasoning_format", "\"auto\""),
    ("grammar_string", "\"\""), ("ban_eos_token", "false"), ("keep_alive", "\"5m\""), ("ebnf", "\"\""),
  ])
  func parametersThatAskForNothingPass(name: String, text: String) throws {
    let member = (name, try json(text))
    #expect(try ChatCompletionRequest(chatBody([member])).sampling == SamplingOptions())
    #expect(try CompletionRequest(completionBody([member])).sampling == SamplingOptions())
  }

  /// `do_sample`: false is temperature 0, and true another one; what contradicts that is refused.
  @Test func whetherTokensAreSampledMayBeSaid() throws {
    var greedy = SamplingOptions()
    greedy[.temperature] = 0
    func temperature(_ members: [(String, JSONValue)], _ defaults: SamplingOptions) throws -> Double {
      let chat = try ChatCompletionRequest(chatBody(members), defaults: defaults).sampling[.temperature]
      #expect(
        try CompletionRequest(completionBody(members), defaults: defaults).sampling[.temperature] == chat)
      return chat
    }
    var recommended = SamplingOptions()
    recommended[.temperature] = 0.6
    let (yes, no): ((String, JSONValue), (String, JSONValue)) = (("do_sample", true), ("do_sample", false))
    #expect(try temperature([yes], recommended) == 0.6 && temperature([no], recommended) == 0)
    #expect(try temperature([yes], greedy) == 1 && temperature([no], greedy) == 0)
    #expect(try temperature([yes, ("temperature", try json("0.3"))], greedy) == 0.3)
    #expect(try temperature([no, ("temperature", 0)], recommended) == 0)
    #expect(try temperature([("do_sample", .null)], recommended) == 0.6)
    for (isSampled, value) in [(true, 0.0), (false, 0.7)] {
      let members: [(String, JSONValue)] = [("do_sample", .bool(isSampled)), ("temperature", try json("\(value)"))]
      let refusal = try #require(throws: APIError.self) { try ChatCompletionRequest(chatBody(members)) }
      #expect(refusal.status == 400 && refusal.param == "do_sample")
      #expect(refusal.message == "'do_sample' is \(isSampled), but 'temperature' is \(value): give one of them")
    }
    #expect(try chatRefusal("do_sample", "1").code == "invalid_type")
  }

  @Test func minusOneIsNoBoundAndNoSeed() throws {
    for name in ["max_tokens", "max_completion_tokens"] {
      #expect(try ChatCompletionRequest(chatBody([(name, -1)])).maxTokens == nil)
    }
    let unbounded = try CompletionRequest(completionBody([("max_tokens", -1)]))
    #expect(unbounded.maxTokens == .max && !unbounded.isMaxTokensGiven)
    #expect(try ChatCompletionRequest(chatBody([("seed", -1)])).sampling.seed == nil)
    var defaults = SamplingOptions()
    defaults.seed = 4
    #expect(try ChatCompletionRequest(chatBody([("seed", -1)]), defaults: defaults).sampling.seed == nil)
    #expect(try ChatCompletionRequest(chatBody([("seed", -2)])).sampling.seed == -2)
  }

  @Test(arguments: [
    ("max_new_tokens", "'max_tokens'"), ("n_predict", "'max_tokens'"), ("stop_sequences", "'stop'"),
    ("num_return_sequences", "'n'"), ("thinking_budget", "'max_tokens'"), ("dry_multiplier", "'min_p'"),
    ("min_new_tokens", "'ignore_eos'"),
  ])
  func otherServersNamesAreTranslated(name: String, ours: String) throws {
    let refusal = try chatRefusal(name, "7")
    #expect(refusal.code == "unsupported_parameter" && refusal.param == name)
    #expect(refusal.message.contains(ours), "\(refusal.message)")
  }

  @Test func aChatTakesWhatAsksForNothing() throws {
    let members: [(String, JSONValue)] = [
      ("functions", []), ("tools", []), ("modalities", ["text"]), ("function_call", "none"),
    ]
    #expect(try ChatCompletionRequest(chatBody(members)) == ChatCompletionRequest(chatBody()))
    #expect(try ChatCompletionRequest(chatBody([("add_special_tokens", false)])) == ChatCompletionRequest(chatBody()))
    #expect(try chatRefusal("add_special_tokens", "true").code == "unsupported_parameter")
    #expect(try chatRefusal("no_repeat_ngram_size", "3").code == "unsupported_parameter")
    #expect(try chatRefusal("functions", "[{}]").code == "unsupported_parameter")
    #expect(try chatRefusal("best_of", "2").code == "unsupported_parameter")
    #expect(try chatRefusal("length_penalty", "0.5").code == "unsupported_parameter")
  }

  @Test func usageCanBeToldAllAlong() throws {
    let options: JSONValue = ["include_usage": true, "continuous_usage_stats": true]
    let chat = try ChatCompletionRequest(chatBody([("stream", true), ("stream_options", options)]))
    #expect(chat.stream?.continuesUsage == true && chat.stream?.includesUsage == true)
    #expect(try chatRefusal("stream_options", #"{"continuous_usage_stats": true}"#).param == "stream_options")
  }

  @Test func aStopTextThatIsTooLongNamesBothNumbers() throws {
    let longest = String(repeating: "x", count: 4096)
    #expect(try ChatCompletionRequest(chatBody([("stop", .string(longest))])).stop == [longest])
    let refusal = try completionRefusal("stop", "\"\(longest)y\"")
    #expect(refusal.message == "'stop' must be text of at most 4096 bytes, but is 4097 bytes long")
  }

  @Test func whatIsNotGivenHasTheDefaults() throws {
    let chat = try ChatCompletionRequest(chatBody())
    #expect(chat.sampling == SamplingOptions() && chat.sampling[.temperature] == 1 && chat.sampling[.topK] == 0)
    #expect(chat.maxTokens == nil && chat.stop == [] && chat.choiceCount == 1 && chat.stream == nil)
    #expect(chat.toolChoice == .none && chat.addsGenerationPrompt && !chat.continuesFinalMessage)
    #expect(try CompletionRequest(completionBody()).maxTokens == 16)
    var defaults = SamplingOptions()
    (defaults[.temperature], defaults[.topK]) = (0.6, 20)
    let recommended = try ChatCompletionRequest(chatBody([("top_k", -1)]), defaults: defaults)
    #expect(recommended.sampling[.temperature] == 0.6 && recommended.sampling[.topK] == 0)
  }

  @Test func nullCountsAsAbsent() throws {
    let names = [
      "temperature", "top_p", "stop", "seed", "n", "max_tokens", "logit_bias", "stream", "stream_options", "user",
      "response_format", "logprobs", "top_logprobs", "tools", "tool_choice", "functions", "audio", "modalities",
    ]
    #expect(try ChatCompletionRequest(chatBody(names.map { ($0, .null) })) == ChatCompletionRequest(chatBody()))
  }

  @Test func limitsOfTheVocabularyHold() throws {
    var limits = RequestLimits()
    limits.vocabularySize = 100
    _ = try ChatCompletionRequest(chatBody([("logit_bias", ["99": 1])]), limits: limits)
    let refusal = try #require(throws: APIError.self) {
      try ChatCompletionRequest(chatBody([("logit_bias", ["100": 1])]), limits: limits)
    }
    #expect(refusal.message.contains("from 0 to 99"))
    #expect(throws: APIError.self) {
      try CompletionRequest(.object(JSONObject([("model", "m"), ("prompt", [1, 100])])), limits: limits)
    }
  }

  @Test(arguments: [
    ("temprature", "temperature"), ("maxTokens", "max_tokens"), ("top-p", "top_p"), ("Seed", "seed"),
    ("strema", "stream"), ("presence_penality", "presence_penalty"),
  ])
  func aMisspeltParameterIsToldItsName(misspelt: String, meant: String) throws {
    let refusal = try chatRefusal(misspelt, "1")
    #expect(refusal.code == "unknown_parameter" && refusal.param == misspelt)
    #expect(refusal.message.hasSuffix("did you mean '\(meant)'?"), "\(refusal.message)")
  }

  @Test func aNameLikeNoneIsToldNothing() throws {
    for name in ["frobnicate", "", String(repeating: "temperature", count: 10_000)] {
      let refusal = try chatRefusal(name, "1")
      #expect(refusal.code == "unknown_parameter")
      #expect(!refusal.message.contains("did you mean"))
      #expect(refusal.message.utf8.count < 200)
    }
  }
}
