import Foundation
import JSON
import ModelText
import TestSupport
import Tokenization

/// Text for tests: a tokenizer of 4096 tokens, as it is or with other templates and tokens.
struct TestModel: Sendable {
  let codec: TextCodec
  let folder: String

  private static let source = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/tokenizers/small").path
  static let plain = TestModel(folder: source)
  /// A template that opens reasoning, as R1's does; `<think>` and `</think>` are special tokens.
  static let reasoning = TestModel(
    template: "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}<think>\n",
    special: ["<think>", "</think>"])
  /// Calls between tags, which are text or special tokens.
  static let tools = TestModel(
    template: """
      {{ bos_token }}{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}\
      {% for m in messages %}{{ m['role'] }}:{{ m['content'] }}{% if m.tool_calls %}\
      {{ m.tool_calls[0].function.arguments | tojson }}{% endif %}{% endfor %}\
      {% if greeting %}{{ greeting }}{% endif %}
      """,
    special: ["<tool_call>", "</tool_call>"])
  /// The template writes calls, and shows no tools.
  static let silent = TestModel(
    template: """
      {{ bos_token }}{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}\
      {% if m.tool_calls %}<tool_call>{{ m.tool_calls[0].function.arguments | tojson }}{% endif %}{% endfor %}
      """,
    special: ["<tool_call>", "</tool_call>"])
  /// The template refuses what does not begin with a user's message.
  static let strict = TestModel(
    template: """
      {% if messages[0]['role'] != 'user' %}\
      {{ raise_exception("the first message must be a user's") }}{% endif %}x
      """,
    special: [])
  static let withoutTemplate = TestModel(template: nil, special: [])

  private init(folder: String) { (self.folder, codec) = (folder, TextCodec(folder: folder)) }

  private init(template: String?, special: [String]) {
    let folder = TemporaryFolder.ofProcess.file("model-" + UUID().uuidString)
    try! FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let source = Self.source
    var tokenizer = try! JSONValue(
      parsing: [UInt8](Data(contentsOf: URL(fileURLWithPath: source + "/tokenizer.json")))
    ).object!
    var added = tokenizer["added_tokens"]?.array ?? []
    for (i, text) in special.enumerated() {
      added.append([
        "id": .int(4096 + i), "content": .string(text), "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
      ])
    }
    tokenizer["added_tokens"] = .array(added)
    try! Data(JSONValue.object(tokenizer).text().utf8).write(to: URL(fileURLWithPath: folder + "/tokenizer.json"))
    var config = JSONObject([("bos_token", "<｜begin▁of▁sentence｜>"), ("eos_token", "<｜end▁of▁sentence｜>")])
    config["chat_template"] = template.map { .string($0) }
    try! Data(JSONValue.object(config).text().utf8).write(to: URL(fileURLWithPath: folder + "/tokenizer_config.json"))
    self.init(folder: folder)
  }

  /// The tokens of a text.
  func tokens(_ text: String) -> [Int32] {
    try! codec.tokenizer().encode(text, addSpecialTokens: false).map { Int32($0) }
  }

  /// An engine that answers with this text, and ends it with the token that ends texts.
  func engine(
    answering text: String, delay: Duration = .zero, finish: Bool = true, vocabulary: Int = 4098
  ) -> FakeEngine {
    var script = FakeEngine.Script(tokens(text) + (finish ? [1] : []))
    script.delay = delay
    if !finish { script.finish = nil }
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(vocabulary: vocabulary)
    return engine
  }
}
