import JSON

extension RequestMembers {
  /// The values with which refused parameters ask for nothing, as clients send them that send all their settings.
  static let neutralEverywhere: [String: [JSONValue]] = {
    let values: [(JSONValue, [String])] = [
      (
        .bool(false),
        [
          "use_beam_search", "early_stopping", "prompt_logprobs", "include_stop_str_in_output", "return_token_ids",
          "return_tokens_as_token_ids", "echo", "dynatemp", "watermark", "details", "decoder_input_details",
          "return_full_text", "renormalize_logits", "return_hidden_states", "no_stop_trim", "temperature_last",
          "dynamic_temperature", "ban_eos_token", "return_logprob",
        ]
      ),
      (.bool(true), ["skip_special_tokens", "detokenize", "parse_tool_calls"]),
      (
        .int(0),
        [
          "min_tokens", "top_a", "mirostat", "mirostat_mode", "top_logprobs", "min_length", "no_repeat_ngram_size",
          "penalty_alpha", "dry_multiplier", "xtc_probability", "smoothing_factor", "dynatemp_range",
          "epsilon_cutoff", "eta_cutoff", "top_n_sigma", "n_probs", "min_new_tokens", "diversity_penalty",
          "encoder_no_repeat_ngram_size", "top_n_tokens", "top_logprobs_num",
        ]
      ),
      (
        .int(1),
        [
          "length_penalty", "typical_p", "typical", "repeat_penalty", "best_of", "n", "tfs", "tfs_z", "num_beams",
          "guidance_scale", "num_beam_groups", "encoder_repetition_penalty", "num_return_sequences",
        ]
      ),
      (.int(-1), ["truncate_prompt_tokens", "top_n_sigma", "repeat_last_n", "n_predict", "logprob_start_len"]),
      (
        .string(""),
        [
          "guided_json", "guided_regex", "guided_grammar", "grammar", "regex", "suffix", "ebnf", "grammar_string",
          "stop_regex", "negative_prompt", "custom_token_bans",
        ]
      ), (.string("auto"), ["reasoning_format"]), (.string("deepseek"), ["reasoning_format"]),
      (.string("none"), ["function_call"]), (.string("auto"), ["function_call"]),
      (
        .array([]),
        [
          "bad_words", "allowed_token_ids", "guided_choice", "logits_processors", "functions",
          "documents", "tools", "context_management", "mcp_servers", "transforms", "plugins", "samplers",
          "sampler_order", "bad_words_ids", "force_words_ids", "stop_sequences", "stop_regex", "logprob_token_ids",
        ]
      ),
      (
        .object(JSONObject()),
        [
          "mm_processor_kwargs", "structured_outputs", "json_schema", "audio", "options", "provider", "extra_body",
          "reasoning", "media_io_kwargs", "kv_transfer_params", "vllm_xargs",
        ]
      ),
    ]
    var neutral: [String: [JSONValue]] = [:]
    for (value, names) in values { for name in names { neutral[name, default: []].append(value) } }
    return neutral
  }()
}
