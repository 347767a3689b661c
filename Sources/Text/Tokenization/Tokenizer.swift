import JSON

/// A published tokenizer, a Hugging Face `tokenizer.json` or a `tiktoken.model`: text to token ids and back, exactly as
/// the reference does it.
///
/// Immutable; any number of threads may use it at once.
package final class Tokenizer: Sendable {
  let model: BPEModel
  let normalizer: Normalizer?
  let preTokenizers: [PreTokenizer]
  /// The pre-tokenizer's last step turns bytes into letters, which the model does by table.
  let endsInByteLetters: Bool
  let postProcessor: PostProcessor
  let decoders: [Decoder]
  let addedTokens: [Int: AddedToken]
  /// By id, as every token that is decoded is asked for it.
  private let kinds: [Kind]
  let addedIDs: [JSON.ExactString: Int]
  let exactMatcher: AddedTokenMatcher
  let normalizedMatcher: AddedTokenMatcher

  /// The highest id and 1; a model's embedding may have more rows, never fewer.
  package let vocabularySize: Int
  /// The text of the beginning-of-sequence token, from `tokenizer_config.json`.
  package let bosToken: String?
  /// The text of the end-of-sequence token, from `tokenizer_config.json`; models often stop at others too.
  package let eosToken: String?
  /// The chat template's source (Jinja), of several the one named "default".
  package let chatTemplate: String?
  /// The one named "tool_use", for conversations with tools; nil where there is none.
  package let toolTemplate: String?
  /// Goes before a text where special tokens are asked for and the post-processor adds none: `add_bos_token`.
  let addedStart: Int?

  /// Builds the tokenizer of a `tokenizer.json`, with the `tokenizer_config.json` beside it, if any, and the texts of
  /// `chat_template.jinja` and `additional_chat_templates/tool_use.jinja`, which take precedence over the
  /// configuration's.
  package convenience init(
    json: JSONValue, config: JSONValue?, chatTemplate: String? = nil, toolTemplate: String? = nil
  ) throws(TokenizerError) {
    let root = TokenizerField(value: json, path: "tokenizer.json")
    guard json.object != nil else { throw root.failure(expected: "an object") }
    let version = root["version"]
    if !version.isAbsent, try version.string() != "1.0" {
      throw .unsupported(field: version.path, value: try version.string(), supported: "1.0")
    }
    let model = try BPEModel(root["model"])
    let normalizer = try Normalizer.read(root["normalizer"])
    let (preTokenizers, endsInByteLetters) = try PreTokenizer.read(root["pre_tokenizer"])
    try self.init(
      TokenizerParts(
        model: model, normalizer: normalizer, preTokenizers: preTokenizers, endsInByteLetters: endsInByteLetters,
        decoders: try Decoder.read(root["decoder"]),
        added: try AddedToken.read(
          root["added_tokens"], vocabulary: model.tokens, normalizer: normalizer,
          scratch: MatchScratch(byteCount: 1 << 20)),
        postProcessor: root["post_processor"]),
      config: config, chatTemplate: chatTemplate, toolTemplate: toolTemplate)
  }

  /// The tokenizer of these parts; the other parameters are as for `tokenizer.json`.
  init(
    _ parts: TokenizerParts, config: JSONValue?, chatTemplate: String?, toolTemplate: String?
  ) throws(TokenizerError) {
    model = parts.model
    normalizer = parts.normalizer
    (preTokenizers, endsInByteLetters) = (parts.preTokenizers, parts.endsInByteLetters)
    decoders = parts.decoders
    let added = parts.added
    addedTokens = Dictionary(uniqueKeysWithValues: added.map { ($0.id, $0) })
    addedIDs = Dictionary(uniqueKeysWithValues: added.map { (JSON.ExactString($0.content), $0.id) })
    exactMatcher = try AddedTokenMatcher(added.filter { !$0.isNormalized })
    normalizedMatcher = try AddedTokenMatcher(added.filter { $0.isNormalized })
    vocabularySize = max(model.tokens.idLimit, (added.map(\.id).max() ?? -1) + 1)
    var kinds = [Kind](repeating: .ordinary, count: vocabularySize)
    for token in added { kinds[token.id] = token.isSpecial ? .special : .added }
    self.kinds = kinds
    postProcessor = try PostProcessor(parts.postProcessor, idLimit: vocabularySize)
    let settings = TokenizerField(value: config, path: "tokenizer_config.json")
    if config != nil, config?.object == nil { throw settings.failure(expected: "an object") }
    bosToken = try Self.namedToken(settings["bos_token"])
    eosToken = try Self.namedToken(settings["eos_token"])
    let configured = try Self.chatTemplates(settings["chat_template"])
    self.chatTemplate = chatTemplate ?? configured.first
    self.toolTemplate = toolTemplate ?? (chatTemplate == nil ? configured.forTools : nil)
    var start: Int?
    if settings["add_bos_token"].value?.bool == true, let bosToken {
      start = addedIDs[JSON.ExactString(bosToken)] ?? model.tokens.id(of: bosToken)
    }
    addedStart = postProcessor.addsBefore(start) ? nil : start
  }

  /// The token's text; nil for an id without a token.
  package func token(_ id: Int) -> String? { addedTokens[id]?.content ?? model.tokens.string(of: id) }

  /// The id of the token with exactly this text.
  package func id(of token: String) -> Int? { addedIDs[JSON.ExactString(token)] ?? model.tokens.id(of: token) }

  /// Whether decoding that skips special tokens leaves this one out.
  package func isSpecial(_ id: Int) -> Bool { kinds.indices.contains(id) && kinds[id] == .special }

  /// What decoding a token starts from.
  func form(of id: Int) -> ArraySlice<UInt8>? {
    guard kinds.indices.contains(id), kinds[id] != .ordinary, let added = addedTokens[id] else {
      return model.tokens.bytes(of: id)
    }
    return added.form[...]
  }

  /// What a token is beside one of the vocabulary.
  private enum Kind: UInt8 { case ordinary, added, special }

  private static func namedToken(_ field: TokenizerField) throws(TokenizerError) -> String? {
    if field.isAbsent { return nil }
    return field.value?.object == nil ? try field.string() : try field["content"].string()
  }

  private static func chatTemplates(
    _ field: TokenizerField
  ) throws(TokenizerError) -> (first: String?, forTools: String?) {
    guard field.value?.array != nil else { return (try field.optionalString(), nil) }
    let templates = try field.elements(atMost: 64)
    func template(_ name: String) throws(TokenizerError) -> String? {
      for template in templates where try template["name"].string() == name { return try template["template"].string() }
      return nil
    }
    var first = try template("default")
    if first == nil { first = try templates.first?["template"].string() }
    return (first, try template("tool_use"))
  }
}

/// What a tokenizer is made of, however it was published.
struct TokenizerParts {
  var model: BPEModel
  var normalizer: Normalizer?
  var preTokenizers: [PreTokenizer]
  /// See `Tokenizer.endsInByteLetters`.
  var endsInByteLetters: Bool
  var decoders: [Decoder]
  var added: [AddedToken]
  /// The "post_processor", which needs to know all ids.
  var postProcessor: TokenizerField
}
