import Foundation
import JSON
import Testing
import Tokenization

/// What `tokenizer_config.json` and `chat_template.jinja` add.
struct ConfigurationTests {
  private func tokenizer(_ config: JSONValue?, template: String? = nil) throws -> Tokenizer {
    try Tokenizer(json: SmallTokenizer.json(vocab: ["a"]), config: config, chatTemplate: template)
  }

  @Test func specialTokensAreTextOrObjects() throws {
    let plain = try tokenizer(["bos_token": "<s>", "eos_token": .null])
    #expect(plain.bosToken == "<s>" && plain.eosToken == nil)
    let object = try tokenizer(["eos_token": ["__type": "AddedToken", "content": "</s>", "lstrip": false]])
    #expect(object.bosToken == nil && object.eosToken == "</s>")
    #expect(throws: TokenizerError.self) { try tokenizer(["eos_token": 7]) }
  }

  @Test func theTemplateFileGoesBeforeTheConfiguration() throws {
    #expect(try tokenizer(["chat_template": "A"]).chatTemplate == "A")
    #expect(try tokenizer(["chat_template": "A"], template: "B").chatTemplate == "B")
    #expect(try tokenizer(nil).chatTemplate == nil)
  }

  @Test func ofSeveralTemplatesTheDefaultCounts() throws {
    let named: JSONValue = [["name": "tool_use", "template": "T"], ["name": "default", "template": "D"]]
    #expect(try tokenizer(["chat_template": named]).chatTemplate == "D")
    #expect(try tokenizer(["chat_template": [["name": "rag", "template": "R"]]]).chatTemplate == "R")
    #expect(try tokenizer(["chat_template": named]).toolTemplate == "T")
    #expect(try tokenizer(["chat_template": named], template: "B").toolTemplate == nil)
    #expect(try tokenizer(["chat_template": "A"]).toolTemplate == nil)
  }

  @Test func theBeginningOfSequenceIsAddedWhereTheConfigurationSaysSo() throws {
    func ids(_ flag: JSONValue, text: String = "a", postProcessor: JSONValue = .null) throws -> [Int] {
      let json = SmallTokenizer.json(
        vocab: ["a"], added: [SmallTokenizer.added("<s>", id: 1, special: true)], postProcessor: postProcessor)
      return try Tokenizer(json: json, config: ["bos_token": "<s>", "add_bos_token": flag])
        .encode(text, addSpecialTokens: true)
    }
    #expect(try ids(true) == [1, 0])
    #expect(try ids(false) == [0] && ids(.null) == [0])
    #expect(try ids(true, text: "<s>a") == [1, 0], "a text that has it gets no second")
    let template: JSONValue = [
      "type": "TemplateProcessing", "single": [["SpecialToken": ["id": "<s>"]], ["Sequence": ["id": "A"]]],
      "special_tokens": ["<s>": ["id": "<s>", "ids": [1]]],
    ]
    #expect(try ids(true, postProcessor: template) == [1, 0], "the post-processor has added it")
    let tokenizer = try Fixtures.deepseekV2.get()
    #expect(try tokenizer.encode("a", addSpecialTokens: true) == [100_000, 64])
    #expect(try tokenizer.encode("a", addSpecialTokens: false) == [64])
    #expect(tokenizer.bosToken == "<｜begin▁of▁sentence｜>")
    #expect(try #require(tokenizer.chatTemplate).contains("bos_token"))
  }

  @Test func tokensAndBytesAreFoundBothWays() throws {
    let v3 = try Fixtures.deepseekV3.get()
    #expect(v3.vocabularySize == 128815)
    let user = try #require(v3.id(of: "<｜User｜>"))
    #expect(v3.token(user) == "<｜User｜>" && v3.tokenBytes(user) == Array("<｜User｜>".utf8) && !v3.isSpecial(user))
    let hello = try #require(v3.id(of: "Ġhello"))
    #expect(v3.tokenBytes(hello) == Array(" hello".utf8))
    #expect(v3.isSpecial(try #require(v3.id(of: "<｜end▁of▁sentence｜>"))))
    let mixtral = try Tokenizer(folder: "\(Fixtures.folder)/goldens/mixtral")
    #expect(mixtral.tokenBytes(try #require(mixtral.id(of: "<0xE4>"))) == [0xE4])
    #expect(mixtral.tokenBytes(try #require(mixtral.id(of: "▁▁"))) == [0x20, 0x20])
  }
}
