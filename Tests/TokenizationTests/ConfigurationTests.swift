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
  }

  @Test func theBeginningOfSequenceFollowsThePostProcessorAlone() throws {
    // transformers drops add_bos_token when tokenizer.json is there; V2's asks for one and gets none.
    let tokenizer = try Fixtures.deepseekV2.get()
    #expect(try tokenizer.encode("a", addSpecialTokens: true) == [64])
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
