import JSON

extension ParrotModel {
  static let width = 256
  static let headWidth = width / 2
  static let innerWidth = 32

  var vocabularySize: Int { 256 + addedTokens.count }

  var configuration: JSONValue {
    var object = JSONObject([
      ("architectures", ["Qwen2ForCausalLM"]), ("model_type", "qwen2"), ("hidden_act", "silu"),
      ("hidden_size", .int(Self.width)), ("intermediate_size", .int(Self.innerWidth)),
      ("max_position_embeddings", .int(contextLength)), ("num_attention_heads", 2), ("num_key_value_heads", 2),
      ("num_hidden_layers", 1), ("rms_norm_eps", .double(1e-6)), ("rope_theta", .double(10_000)),
      ("tie_word_embeddings", false), ("use_sliding_window", false), ("torch_dtype", "float32"),
      ("vocab_size", .int(vocabularySize)),
    ])
    if let configurationEnds {
      let ids = configurationEnds.compactMap { id(of: $0).map { JSONValue.int($0) } }
      object["eos_token_id"] = ids.count == 1 ? ids[0] : .array(ids)
    }
    return .object(object)
  }

  var tokenizerConfiguration: JSONValue {
    var object = JSONObject([
      ("tokenizer_class", "PreTrainedTokenizerFast"), ("clean_up_tokenization_spaces", false),
      ("model_max_length", .int(contextLength)),
    ])
    object["eos_token"] = endToken.map { .string($0) }
    object["chat_template"] = template
    for (key, value) in tokenizerSettings.members { object[key] = value }
    return .object(object)
  }

  var tokenizer: JSONValue {
    let letters = Self.byteLetters
    let vocabulary = JSONObject(letters.enumerated().map { ($1, .int($0)) })
    let added = addedTokens.enumerated().map { index, text -> JSONValue in
      [
        "id": .int(256 + index), "content": .string(text), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": .bool(index < specialTokens.count),
      ]
    }
    let byteLevel: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added), "normalizer": .null,
      "pre_tokenizer": byteLevel, "post_processor": postProcessor, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": .object(vocabulary), "merges": [],
      ],
    ]
  }

  /// The letter that byte-level tokenizers write for each byte: itself where it can be seen, or else the next from
  /// U+0100 on.
  private static var byteLetters: [String] {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      let isVisible = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      defer { if !isVisible { next += 1 } }
      return Unicode.Scalar(isVisible ? UInt32(byte) : next).map { String($0) } ?? ""
    }
  }
}
