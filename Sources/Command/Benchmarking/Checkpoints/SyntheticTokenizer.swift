import JSON

/// A byte-level BPE tokenizer that nobody trained: two special tokens, the 256 bytes, and merges of letters in a fixed
/// order, as many as the vocabulary has room for.
///
/// It stands in for a published one in checkpoints of random weights: every text has ids, every id has a text.
struct SyntheticTokenizer {
  static let beginID = 0
  static let endID = 1
  static let smallestVocabulary = 2 + 256
  private static let begin = "<|begin|>"
  private static let end = "<|end|>"

  let vocabularySize: Int

  init(vocabularySize: Int) throws {
    guard vocabularySize >= Self.smallestVocabulary else {
      throw MakeCheckpointError.vocabularyTooSmall(vocabularySize, smallest: Self.smallestVocabulary)
    }
    self.vocabularySize = vocabularySize
  }

  /// `tokenizer.json`: GPT-2's pre-tokenizer; each merge appends one letter to a token made before.
  var tokenizer: JSONValue {
    let letters = (0..<256).map { Self.letter(UInt8($0)) }
    var tokens = letters
    var merges: [JSONValue] = []
    let room = vocabularySize - 2
    // A word begins with a space, which is never appended; all pairs come before the first triple.
    let appended = " etaoinshrdlucmfwygpbvkxjqz".utf8.map { letters[Int($0)] }
    var stems = appended[...]
    while tokens.count < room, let stem = stems.popFirst() {
      for letter in appended.dropFirst().prefix(room - tokens.count) {
        tokens.append(stem + letter)
        merges.append(.array([.string(stem), .string(letter)]))
        stems.append(stem + letter)
      }
    }
    var vocabulary = JSONObject()
    vocabulary[Self.begin] = .int(Self.beginID)
    vocabulary[Self.end] = .int(Self.endID)
    for (index, token) in tokens.enumerated() { vocabulary[token] = .int(index + 2) }
    let byteLevel: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    return [
      "version": "1.0", "truncation": .null, "padding": .null,
      "added_tokens": [Self.special(Self.begin, Self.beginID), Self.special(Self.end, Self.endID)],
      "normalizer": .null, "pre_tokenizer": byteLevel, "post_processor": .null, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "vocab": .object(vocabulary),
        "merges": .array(merges),
      ],
    ]
  }

  /// `tokenizer_config.json`.
  var config: JSONValue {
    [
      "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": .string(Self.begin), "eos_token": .string(Self.end),
      "add_bos_token": false, "add_eos_token": false, "clean_up_tokenization_spaces": false,
      "model_max_length": 1_048_576,
    ]
  }

  private static func special(_ content: String, _ id: Int) -> JSONValue {
    [
      "id": .int(id), "content": .string(content), "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": false, "special": true,
    ]
  }

  /// GPT-2's letter for a byte: printable Latin-1 stands for itself, the 68 others for U+0100 and after.
  private static func letter(_ byte: UInt8) -> String {
    func isPrintable(_ byte: UInt8) -> Bool {
      (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
    }
    guard !isPrintable(byte) else { return String(Unicode.Scalar(byte)) }
    let before = (0..<byte).filter { !isPrintable($0) }.count
    return String(decoding: [0x100 + UInt16(before)], as: UTF16.self)
  }
}
