import EngineAPI
import JSON

/// The tables of the requests.
extension RequestMembers {
  /// Parameters of the OpenAI API and of common clients that change nothing about the text generated here.
  private static let harmless = Set([
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prediction", "verbosity", "request_id", "priority", "cache_salt", "cache_prompt", "include_reasoning",
    "separate_reasoning", "stream_reasoning", "prompt_cache_options", "spaces_between_special_tokens",
    "client_metadata", "extra_headers", "extra_query", "session_id", "chat_id", "rid", "keep_alive", "ttl", "use_cache",
    "id_slot", "n_keep", "timings_per_token", "return_progress", "usage", "guided_decoding_backend",
  ]).union(settingsOfRefusedSamplers)

  /// They count only where a sampler is on that is refused here.
  private static let settingsOfRefusedSamplers: Set<String> = [
    "dry_base", "dry_allowed_length", "dry_sequence_breakers", "dry_penalty_last_n", "xtc_threshold", "mirostat_tau",
    "mirostat_eta", "dynatemp_exponent", "smoothing_curve",
  ]

  /// What every endpoint that generates text takes.
  private static let sampling: Set<String> = Set(SamplingParameter.all.map(\.name)).union([
    "seed", "logit_bias", "stop_token_ids", "ignore_eos", "do_sample",
  ])

  /// What chats and text completions share.
  private static let generation: Set<String> = sampling.union([
    "model", "stop", "n", "max_tokens", "logprobs", "stream", "stream_options", "response_format",
  ])

  private static let grammarHint = "use 'response_format' with a JSON schema"

  /// What other servers of this API offer and this one does not.
  private static let refusedEverywhere: [String: String] = [
    "guided_json": grammarHint, "guided_regex": grammarHint, "guided_choice": grammarHint,
    "guided_grammar": grammarHint, "structured_outputs": grammarHint, "grammar": grammarHint,
    "json_schema": grammarHint, "regex": grammarHint,
    "use_beam_search": "tokens are sampled", "length_penalty": "it belongs to beam search",
    "early_stopping": "it belongs to beam search",
    "min_tokens": "use 'ignore_eos' and 'max_tokens' for outputs of a fixed length",
    "bad_words": "use 'logit_bias'", "allowed_token_ids": "use 'logit_bias'",
    "prompt_logprobs": "use /v1/completions with 'echo' and 'logprobs'",
    "truncate_prompt_tokens": "shorten the prompt before sending it",
    "skip_special_tokens": "special tokens are never shown", "prompt_embeds": "prompts are text or token ids",
    "mm_processor_kwargs": "this model reads text only", "lora_path": "adapters are not served",
    "include_stop_str_in_output": "a text ends before its stop string", "detokenize": "answers are text",
    "return_token_ids": "POST /tokenize tells ids", "return_tokens_as_token_ids": "POST /tokenize tells ids",
    "logits_processors": "use 'logit_bias'", "typical_p": "use 'min_p'", "top_a": "use 'min_p'",
    "repeat_penalty": "it is called 'repetition_penalty' here", "mirostat": "use 'min_p'",
    "min_length": "use 'ignore_eos'",
    "no_repeat_ngram_size": "use 'repetition_penalty'", "penalty_alpha": "tokens are sampled",
    "num_beams": "tokens are sampled", "guidance_scale": "prompts have no negative", "n_probs": "use 'logprobs'",
    "options": "give its members as parameters", "extra_body": "give its members as parameters",
    "provider": "this server is the provider", "transforms": "shorten the prompt before sending it",
    "plugins": "this server runs no tools", "max_new_tokens": "it is called 'max_tokens' here",
    "max_length": "use 'max_tokens', which counts new tokens", "n_predict": "it is called 'max_tokens' here",
    "num_return_sequences": "use 'n'", "stop_sequences": "it is called 'stop' here",
    "stop_regex": "use 'stop'", "ebnf": grammarHint, "grammar_string": grammarHint,
    "thinking_budget": "reasoning has no bound of its own: use 'max_tokens'",
    "thinking_token_budget": "reasoning has no bound of its own: use 'max_tokens'",
    "reasoning_format": "reasoning is told apart in 'reasoning_content'",
    "return_full_text": "use /v1/completions with 'echo'", "negative_prompt": "prompts have no negative",
    "ban_eos_token": "use 'ignore_eos'", "custom_token_bans": "use 'logit_bias'",
  ].merging(refusedSamplers) { $1 }.merging(refusedOfGeneration) { $1 }

  /// What the settings of Hugging Face's `generate`, and other servers', have beside those.
  private static let refusedOfGeneration = [
    "min_new_tokens": "use 'ignore_eos' and 'max_tokens' for outputs of a fixed length",
    "num_beam_groups": "tokens are sampled", "diversity_penalty": "it belongs to beam search",
    "encoder_repetition_penalty": "use 'repetition_penalty'",
    "encoder_no_repeat_ngram_size": "use 'repetition_penalty'", "bad_words_ids": "use 'logit_bias'",
    "force_words_ids": "use 'logit_bias'", "renormalize_logits": "logits are not changed in that way",
    "watermark": "texts are not marked", "details": "use 'logprobs'", "decoder_input_details": "use 'logprobs'",
    "top_n_tokens": "use 'logprobs'", "return_hidden_states": "POST /v1/embeddings tells vectors",
    "no_stop_trim": "a text ends before its stop string", "repeat_last_n": "'repetition_penalty' counts all tokens",
    "parse_tool_calls": "use 'tool_choice'", "temperature_last": "'temperature' comes first",
    "dynamic_temperature": "use 'temperature'", "return_logprob": "use 'logprobs'",
    "logprob_start_len": "use 'echo' and 'logprobs'", "top_logprobs_num": "use 'logprobs'",
    "logprob_token_ids": "use 'logprobs'", "media_io_kwargs": "this model reads text only",
    "kv_transfer_params": "caches are not handed from server to server", "vllm_xargs": "give its members as parameters",
  ]

  /// Samplers of other servers.
  private static let refusedSamplers = Dictionary(
    uniqueKeysWithValues: [
      "mirostat_mode", "dry_multiplier", "xtc_probability", "smoothing_factor", "dynatemp", "dynatemp_range",
      "epsilon_cutoff", "eta_cutoff", "top_n_sigma", "tfs", "tfs_z", "typical", "samplers", "sampler_order",
    ].map { ($0, "use 'min_p'") })

  static let chat = RequestMembers(
    generation.union([
      "messages", "max_completion_tokens", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls",
      "chat_template_kwargs", "reasoning_effort", "add_generation_prompt", "continue_final_message", "modalities",
      "enable_thinking", "thinking",
    ]),
    ignored: harmless,
    refused: refusedEverywhere.merging([
      "audio": "this model writes text only", "functions": "use 'tools'", "function_call": "use 'tool_choice'",
      "web_search_options": "this server does not search the web", "best_of": "use 'n'",
      "prompt": "/v1/chat/completions takes 'messages'; prompts go to /v1/completions",
      "input": "/v1/chat/completions takes 'messages'", "echo": "it belongs to /v1/completions",
      "suffix": "it belongs to /v1/completions", "chat_template": "the model's own template is used",
      "documents": "put documents into a message",
      "reasoning": "use 'reasoning_effort'", "think": "use 'enable_thinking'",
      "add_special_tokens": "the template writes them",
    ]) { $1 }, neutral: neutralEverywhere.merging(["add_special_tokens": [false]]) { $1 })

  static let completion = RequestMembers(
    generation.union(["prompt", "best_of", "echo", "suffix"]),
    ignored: harmless,
    refused: refusedEverywhere.merging([
      "messages": "/v1/completions takes 'prompt'; messages go to /v1/chat/completions",
      "tools": "tools belong to /v1/chat/completions", "functions": "tools belong to /v1/chat/completions",
      "function_call": "tools belong to /v1/chat/completions", "max_completion_tokens": "use 'max_tokens'",
      "top_logprobs": "give their number as 'logprobs'",
      "add_special_tokens": "give the prompt as token ids, to which nothing is added",
    ]) { $1 }, neutral: neutralEverywhere.merging(["add_special_tokens": [true]]) { $1 })

  private static let nothingKept = "nothing is kept on this server between requests: send the whole conversation"

  static let responses = RequestMembers(
    sampling.union([
      "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "include",
      "max_output_tokens", "stop", "top_logprobs", "stream", "stream_options", "truncation", "previous_response_id",
      "background", "chat_template_kwargs",
    ]),
    ignored: harmless.union(["max_tool_calls", "prompt_cache_diagnostics", "background_options", "access_programs"]),
    refused: refusedEverywhere.merging([
      "conversation": nothingKept, "prompt": nothingKept, "moderation": "nothing is moderated on this server",
      "context_management": nothingKept, "image": "this model writes text only",
      "messages": "/v1/responses takes 'input'; messages go to /v1/chat/completions",
      "max_tokens": "use 'max_output_tokens'", "max_new_tokens": "use 'max_output_tokens'",
      "max_completion_tokens": "use 'max_output_tokens'",
      "response_format": "use 'text'", "n": "a response has one answer", "reasoning_effort": "use 'reasoning'",
    ]) { $1 },
    neutral: neutralEverywhere)

  static let responsesText = RequestMembers(["format"], ignored: ["verbosity"])

  static let messages = RequestMembers(
    sampling.union([
      "model", "messages", "system", "max_tokens", "tools", "tool_choice", "thinking", "stop_sequences", "stream",
      "output_config", "output_format", "chat_template_kwargs",
    ]),
    ignored: harmless.union([
      "betas", "anthropic_beta", "anthropic_version", "cache_control", "context_management", "diagnostics",
      "inference_geo", "speed", "user_profile_id", "workspace_id", "billing_policy", "fallbacks", "container", "thread",
      "compaction", "fallback_credit_token",
    ]),
    refused: refusedEverywhere.merging([
      "mcp_servers": "this server runs no tools", "stop": "use 'stop_sequences'", "n": "a message has one answer",
      "response_format": "use 'output_config'", "reasoning_effort": "use 'output_config'",
    ]) { $1 },
    neutral: neutralEverywhere)

  static let messagesOutput = RequestMembers(["effort", "format"], ignored: ["task_budget"])

  static let tokenize = RequestMembers(
    [
      "model", "prompt", "messages", "add_special_tokens", "add_generation_prompt", "continue_final_message", "tools",
      "chat_template_kwargs", "return_token_strs",
    ],
    ignored: harmless, refused: ["chat_template": "the model's own template is used"])

  static let embedding = RequestMembers(
    ["model", "input", "encoding_format", "dimensions", "pooling", "normalize", "add_special_tokens"],
    ignored: harmless,
    refused: [
      "prompt": "/v1/embeddings takes 'input'", "messages": "/v1/embeddings takes 'input'",
      "truncate_prompt_tokens": "shorten the input before sending it", "stream": "vectors come at once",
      "input_type": "put the model's instruction into 'input'", "embedding_types": "use 'encoding_format'",
    ])

  static let detokenize = RequestMembers(["model", "tokens"], ignored: harmless)

  static let streamOptions = RequestMembers(
    ["include_usage", "continuous_usage_stats"], ignored: ["include_obfuscation"])
}
