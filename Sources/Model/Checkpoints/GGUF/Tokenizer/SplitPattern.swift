import JSON

/// How a tokenizer splits text before it merges, which GGUF files only name (`tokenizer.ggml.pre`): the expressions of
/// the models' own `tokenizer.json`.
struct SplitPattern: Sendable {
  enum Step: Sendable {
    /// Matches are words of their own.
    case regex(String)
    /// Every digit is.
    case digits
    /// Bytes become letters; with GPT-2's expression before that.
    case byteLetters, gpt2
  }

  let steps: [Step]
  /// Text is composed (NFC) first.
  var composes = false
  /// A word that is a token is not made of merges.
  var ignoresMerges = false
  /// The beginning-of-sequence token goes before a text where the file does not say.
  var addsBegin = false
  /// Texts of control tokens that end a turn, beside those that all models have.
  var ends: [String] = []

  init(_ steps: [Step]) { self.steps = steps }

  func with(composes: Bool = false, ignoresMerges: Bool = false, addsBegin: Bool = false, ends: [String] = [])
    -> SplitPattern
  {
    var pattern = self
    (pattern.composes, pattern.ignoresMerges, pattern.addsBegin) = (composes, ignoresMerges, addsBegin)
    pattern.ends = ends
    return pattern
  }

  /// The `pre_tokenizer` of a `tokenizer.json`.
  var json: JSONValue { ["type": "Sequence", "pretokenizers": .array(steps.map(\.json))] }

  /// Nil for names that are not known.
  static func named(_ name: String) -> SplitPattern? { all.first { $0.names.contains(name) }?.pattern }

  static let knownNames = all.flatMap(\.names)

  private static let all: [(names: [String], pattern: SplitPattern)] = [
    (["deepseek-v3", "hunyuan-dense", "joyai-llm"], deepSeekV3),
    (["deepseek-llm"], deepSeekLLM),
    (["deepseek-coder"], deepSeekCoder),
    (
      ["qwen2", "deepseek-r1-qwen", "hunyuan", "solar-open", "megrez", "stablelm2"],
      words(digits: "\\p{N}").with(composes: true)
    ),
    (["qwen35"], qwen35.with(composes: true)),
    (["gpt-4o", "llama4"], gpt4o(newlines: "[\\r\\n/]*")),
    (["minimax-m2"], gpt4o(newlines: "[\\r\\n/]*")),
    (["kimi-k2"], kimiK2.with(ignoresMerges: true)),
    (["glm4", "chatglm-bpe"], words(digits: "\\p{N}{1,3}").with(ends: ["<|user|>", "<|observation|>"])),
    (
      ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"],
      words(digits: "\\p{N}{1,3}").with(ignoresMerges: true, addsBegin: true)
    ),
    (["dbrx", "smaug-bpe"], words(digits: "\\p{N}{1,3}")),
    (["bailingmoe", "bailingmoe2", "llada-moe"], bailing),
    (["exaone-moe"], exaoneMoE),
    (["tekken"], tekken.with(ignoresMerges: true, addsBegin: true)),
    (["olmo"], SplitPattern([.gpt2]).with(composes: true)),
    (["gpt-2", "phi-2", "mpt", "a.x-4.0", "mellum", "jais", "trillion"], SplitPattern([.gpt2])),
    (
      ["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"],
      SplitPattern([.digits, .gpt2])
    ),
  ]
}

extension SplitPattern.Step {
  var json: JSONValue {
    switch self {
    case .regex(let source):
      ["type": "Split", "pattern": ["Regex": .string(source)], "behavior": "Isolated", "invert": false]
    case .digits: ["type": "Digits", "individual_digits": true]
    case .byteLetters, .gpt2:
      [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": .bool({ if case .gpt2 = self { true } else { false } }()),
      ]
    }
  }
}

extension SplitPattern {
  private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  private static let marks = #" ?[^\s\p{L}\p{N}]+[\r\n]*"#
  private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// Contractions, letters with what is before them, digits, marks, spaces: as GPT-4's.
  private static func words(digits: String) -> SplitPattern {
    SplitPattern([
      .regex(#"\#(contractions)|[^\r\n\p{L}\p{N}]?\p{L}+|\#(digits)|\#(marks)|\#(spaces)"#), .byteLetters,
    ])
  }

  /// As `words`, with single line ends; the published expression's possessive repeats match the same.
  private static let bailing = SplitPattern([
    .regex(
      #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|\#(marks)|\s*[\r\n]|\s+(?!\S)|\s+"#), .byteLetters,
  ])

  /// Words with the single spaces between them are one.
  private static let exaoneMoE = SplitPattern([
    .regex(
      #"\#(contractions)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"#
        + #"|\s*[\r\n]|\s+(?!\S)|\s+"#), .byteLetters,
  ])

  /// The same with accents that are characters of their own.
  private static let qwen35 = SplitPattern([
    .regex(
      #"\#(contractions)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\#(spaces)"#),
    .byteLetters,
  ])

  /// Words by the case of their letters, `upper` before `lower`; `after`: what a word may end in.
  private static func cased(upper: String, lower: String, after: String) -> String {
    #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(after)|[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(after)"#
  }

  private static let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#

  private static func gpt4o(newlines: String) -> SplitPattern {
    SplitPattern([
      .regex(
        cased(upper: upper, lower: lower, after: contractions + "?")
          + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+\#(newlines)|\#(spaces)"#), .byteLetters,
    ])
  }

  private static let tekken = SplitPattern([
    .regex(cased(upper: upper, lower: lower, after: "") + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\#(spaces)"#),
    .byteLetters,
  ])

  /// Han apart from all other letters. The published expression intersects classes, which here is a look ahead.
  private static let kimiK2 = SplitPattern([
    .regex(
      #"[\p{Han}]+|"#
        + cased(upper: #"(?:(?!\p{Han})\#(upper))"#, lower: #"(?:(?!\p{Han})\#(lower))"#, after: contractions + "?")
        + #"|\p{N}{1,3}|\#(marks)|\#(spaces)"#), .byteLetters,
  ])
}
