import JSON

extension ParameterTable {
  /// The values with which refused parameters ask for nothing, as clients send them that send all their settings.
  static let neutralEverywhere: [String: [JSONValue]] = {
    let values: [(JSONValue, [String])] = [
      (
        .bool(false),
        [
          "use_beam_search", "early_stopping", "prompt_logprobs", "include_stop_str_in_output", "return_token_ids",
          "return_tokens_as_token_ids", "echo",
        ]
      ),
      (.bool(true), ["skip_special_tokens", "detokenize"]),
      (.int(0), ["min_tokens", "top_a", "mirostat", "top_logprobs"]),
      (.int(1), ["length_penalty", "typical_p", "repeat_penalty", "best_of", "n"]),
      (.int(-1), ["truncate_prompt_tokens"]),
      (.string(""), ["guided_json", "guided_regex", "guided_grammar", "grammar", "regex", "suffix"]),
      (.string("none"), ["function_call"]), (.string("auto"), ["function_call"]),
      (
        .array([]),
        [
          "bad_words", "allowed_token_ids", "guided_choice", "logits_processors", "functions",
          "documents", "tools", "context_management", "mcp_servers",
        ]
      ),
      (.object(JSONObject()), ["mm_processor_kwargs", "structured_outputs", "json_schema", "audio"]),
    ]
    var neutral: [String: [JSONValue]] = [:]
    for (value, names) in values { for name in names { neutral[name, default: []].append(value) } }
    return neutral
  }()
}
