import Checkpoints
import JSON

extension DecoderDescription {
  /// One line about what a checkpoint has and nobody reads; nil when there is nothing.
  package var unreadNote: String? {
    func list(_ names: [String], _ kind: String) -> String? {
      guard !names.isEmpty else { return nil }
      let shown = names.prefix(6).joined(separator: ", ")
      return "\(kind) \(shown)\(names.count > 6 ? " and \(names.count - 6) more" : "")"
    }
    let parts = [list(unreadSettings, "of config.json"), list(unreadTensors, "of the tensors")].compactMap(\.self)
    guard !parts.isEmpty else { return nil }
    return "not read, though it may be meant to change results: \(parts.joined(separator: "; "))"
  }
}

extension DecoderDescription {
  /// One line about matrices that are rounded though they should be held as stored; nil where there are none.
  package var roundingNote: String? {
    var forms: [String: Int] = [:]
    if weights == .auto || weights == .mixed { forms = roundedForms }
    if weights == .auto { forms.merge(roundedBesideIntegers, uniquingKeysWith: +) }
    guard !forms.isEmpty else { return nil }
    let list = forms.sorted { $0.key < $1.key }.map { "\($0.value) in \($0.key)" }.joined(separator: ", ")
    return "matrices rounded to q8 as they are read, since they are not multiplied as they are stored: \(list)"
  }
}

/// Which settings of a `config.json` nobody reads although they may change results: all that were not asked for, but
/// those that say how a model was trained, stored or named, how text is generated, or that something is off.
enum UnreadSettings {
  /// To be asked when the description is complete.
  static func of(_ config: ConfigReader) -> [String] {
    config.unasked.filter { name in
      if harmless.contains(name) || DottedName(name).begins(with: "quantization_config") || name.hasPrefix("_") {
        return false
      }
      let parts = name.split(separator: ".").map(String.init)
      // GGUF's own names have a dot, too.
      let value = config.object[name] ?? (parts.count == 2 ? config.object[parts[0]]?[parts[1]] : nil)
      if let last = parts.last, parts.count == 2, nestedHarmless.contains(last) { return false }
      return !isOff(value ?? .null, of: name)
    }
  }

  private static func isOff(_ value: JSONValue, of name: String) -> Bool {
    switch value {
    case .bool(let bool): !bool
    case .array(let array): array.isEmpty || name == "layer_types" && array.allSatisfy { $0.string == "full_attention" }
    case .object(let object): object.count == 0
    case .number(let number): DottedName(name).last == "partial_rotary_factor" && number.double == 1
    default: false
    }
  }

  private static let nestedHarmless: Set<String> = ["mrope_section", "mrope_interleaved", "finetuned"]

  private static let harmless = Set(
    """
    architectures auto_map transformers_version name_or_path torch_dtype dtype use_cache initializer_range model_type
    attention_dropout hidden_dropout attn_pdrop embd_pdrop resid_pdrop hidden_dropout_prob attention_probs_dropout_prob
    bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id cls_token_id mask_token_id decoder_start_token_id
    tokenizer_class model_max_length max_length min_length do_sample early_stopping num_beams num_beam_groups
    diversity_penalty temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
    encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores return_dict_in_generate max_new_tokens
    forced_bos_token_id forced_eos_token_id suppress_tokens begin_suppress_tokens exponential_decay_length_penalty
    remove_invalid_values return_dict output_hidden_states output_attentions torchscript use_bfloat16 tf_legacy_loss
    id2label label2id num_labels problem_type is_decoder is_encoder_decoder add_cross_attention
    cross_attention_hidden_size tie_encoder_decoder chunk_size_feed_forward finetuning_task prefix pruned_heads
    task_specific_params pretraining_tp ep_size aux_loss_alpha seq_aux aux_loss_coef router_aux_loss_coef
    router_z_loss_coef output_router_logits router_jitter_noise attn_implementation experts_implementation
    unsloth_version unsloth_fixed quantization_config scale_fmt max_window_layers initial_context_length head_dim
    num_key_value_heads n_group topk_group pretrained_model_name language num_experts_per_token_training
    base_model_name_or_path license
    """.split(whereSeparator: \.isWhitespace).map(String.init))
}
