import JSON
import Tokenization

/// Tokenizers small enough to read, built part by part.
enum SmallTokenizer {
  static let byteLevel: JSONValue = [
    "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
  ]

  static func json(
    vocab: [String], merges: [(String, String)] = [], added: [JSONValue] = [], normalizer: JSONValue = .null,
    preTokenizer: JSONValue = .null, postProcessor: JSONValue = .null, decoder: JSONValue = .null,
    model extra: [(String, JSONValue)] = []
  ) -> JSONValue {
    var model = JSONObject([
      ("type", "BPE"), ("vocab", .object(JSONObject(vocab.enumerated().map { ($1, .int($0)) }))),
      ("merges", .array(merges.map { [.string($0.0), .string($0.1)] })),
    ])
    for (key, value) in extra { model[key] = value }
    return [
      "version": "1.0", "added_tokens": .array(added), "normalizer": normalizer, "pre_tokenizer": preTokenizer,
      "post_processor": postProcessor, "decoder": decoder, "model": .object(model),
    ]
  }

  static func added(_ content: String, id: Int, special: Bool = false) -> JSONValue {
    [
      "id": .int(id), "content": .string(content), "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": .bool(special),
    ]
  }

  /// The letters of GPT-2's byte alphabet, ids by code point.
  static let letters: [String] = {
    var letters: [String] = []
    for value: UInt32 in 0x21...0x143 where value < 0x7F || (value > 0xA0 && value != 0xAD) {
      letters.append(String(Unicode.Scalar(value)!))
    }
    return letters
  }()

  static func split(_ pattern: String, _ behavior: String = "Isolated") -> JSONValue {
    [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": .string(behavior), "invert": false],
        byteLevel,
      ],
    ]
  }
}
