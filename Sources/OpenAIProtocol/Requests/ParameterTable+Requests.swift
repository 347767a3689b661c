/// The tables of the four requests.
extension ParameterTable {
  /// Parameters of the OpenAI API and of common clients that change nothing about the text generated here.
  private static let harmless: Set<String> = [
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prediction", "verbosity", "request_id", "priority", "cache_salt",
  ]

  private static let sampling: Set<String> = [
    "model", "temperature", "top_p", "top_k", "min_p", "stop", "seed", "n", "max_tokens", "presence_penalty",
    "frequency_penalty", "repetition_penalty", "logit_bias", "logprobs", "stream", "stream_options", "ignore_eos",
    "response_format",
  ]

  private static let grammarHint = "use 'response_format' with a JSON schema"

  /// What other servers of this API offer and this one does not.
  private static let refusedEverywhere: [String: String] = [
    "guided_json": grammarHint, "guided_regex": grammarHint, "guided_choice": grammarHint,
    "guided_grammar": grammarHint, "structured_outputs": grammarHint, "grammar": grammarHint,
    "json_schema": grammarHint, "regex": grammarHint,
    "use_beam_search": "tokens are sampled", "length_penalty": "it belongs to beam search",
    "early_stopping": "it belongs to beam search",
    "min_tokens": "use 'ignore_eos' and 'max_tokens' for outputs of a fixed length",
    "stop_token_ids": "use 'stop'", "bad_words": "use 'logit_bias'", "allowed_token_ids": "use 'logit_bias'",
    "prompt_logprobs": "use /v1/completions with 'echo' and 'logprobs'",
    "truncate_prompt_tokens": "shorten the prompt before sending it",
    "skip_special_tokens": "special tokens are never shown", "prompt_embeds": "prompts are text or token ids",
    "mm_processor_kwargs": "this model reads text only", "lora_path": "adapters are not served",
  ]

  static let chat = ParameterTable(
    sampling.union([
      "messages", "max_completion_tokens", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls",
      "chat_template_kwargs", "reasoning_effort", "add_generation_prompt", "continue_final_message", "modalities",
    ]),
    ignored: harmless,
    refused: refusedEverywhere.merging([
      "audio": "this model writes text only", "functions": "use 'tools'", "function_call": "use 'tool_choice'",
      "web_search_options": "this server does not search the web", "best_of": "use 'n'",
      "prompt": "/v1/chat/completions takes 'messages'; prompts go to /v1/completions",
      "input": "/v1/chat/completions takes 'messages'", "echo": "it belongs to /v1/completions",
      "suffix": "it belongs to /v1/completions", "chat_template": "the model's own template is used",
      "documents": "put documents into a message", "thinking": "use 'chat_template_kwargs'",
      "enable_thinking": "use 'chat_template_kwargs'",
    ]) { $1 })

  static let completion = ParameterTable(
    sampling.union(["prompt", "best_of", "echo", "suffix"]),
    ignored: harmless,
    refused: refusedEverywhere.merging([
      "messages": "/v1/completions takes 'prompt'; messages go to /v1/chat/completions",
      "tools": "tools belong to /v1/chat/completions", "max_completion_tokens": "use 'max_tokens'",
      "top_logprobs": "give their number as 'logprobs'",
    ]) { $1 })

  static let tokenize = ParameterTable(
    [
      "model", "prompt", "messages", "add_special_tokens", "add_generation_prompt", "continue_final_message", "tools",
      "chat_template_kwargs", "return_token_strs",
    ],
    ignored: harmless, refused: ["chat_template": "the model's own template is used"])

  static let detokenize = ParameterTable(["model", "tokens"], ignored: harmless)

  static let streamOptions = ParameterTable(["include_usage"], ignored: ["include_obfuscation"])
}
