import Checkpoints
import Foundation
import JSON
import TestSupport
import Testing
import Tokenization

/// Tokenizers out of GGUF files: the ids of the `tokenizer.json` that the file was made of.
struct GGUFTokenizerTests {
  let folder = TemporaryFolder()

  /// A file with a tokenizer and hardly a model.
  private func file(_ tokenizer: JSONValue, _ config: JSONValue, split: String) -> GGUFBytes {
    var file = GGUFBytes.tinyLlama
    let vocabulary = tokenizer["model"]!["vocab"]!.object!
    var tokens = Dictionary(uniqueKeysWithValues: vocabulary.members.map { ($0.value.exactInt!, $0.key) })
    var kinds: [Int: Int32] = [:]
    for token in tokenizer["added_tokens"]!.array! {
      tokens[token["id"]!.exactInt!] = token["content"]!.string!
      kinds[token["id"]!.exactInt!] = token["special"]!.bool! ? 3 : 4
    }
    let count = tokens.keys.max()! + 1
    let merges = tokenizer["model"]!["merges"]!.array!.map { merge in
      merge.string ?? merge.array!.map { $0.string! }.joined(separator: " ")
    }
    file["tokenizer.ggml.tokens"] = .strings((0..<count).map { tokens[$0] ?? "[PAD\($0)]" })
    let isPieces = tokenizer["model"]!["byte_fallback"]?.bool == true
    file["tokenizer.ggml.token_type"] = .int32s(
      (0..<count).map { id in
        if let unknown = tokenizer["model"]!["unk_token"]?.string, tokens[id] == unknown { return 2 }
        if isPieces, tokens[id]?.hasPrefix("<0x") == true { return 6 }
        return kinds[id] ?? (tokens[id] == nil ? 5 : 1)
      })
    file["tokenizer.ggml.model"] = .string(isPieces ? "llama" : "gpt2")
    if isPieces {
      // What is merged first has the highest score; characters come after all of them.
      var ranks: [String: Int] = [:]
      for (rank, merge) in merges.enumerated() {
        let made = merge.split(separator: " ").joined()
        if ranks[made] == nil { ranks[made] = rank }
      }
      file["tokenizer.ggml.scores"] = .float32s(
        (0..<count).map { id in -Float(tokens[id].flatMap { ranks[$0] } ?? merges.count + id) })
    } else {
      file["tokenizer.ggml.pre"] = .string(split)
      file["tokenizer.ggml.merges"] = .strings(merges)
    }
    let ids = Dictionary(tokens.map { ($0.value, UInt32($0.key)) }) { first, _ in first }
    for name in ["bos", "eos"] {
      let token = config["\(name)_token"]
      if let text = token?.string ?? token?["content"]?.string {
        file["tokenizer.ggml.\(name)_token_id"] = .uint32(ids[text]!)
      }
    }
    file["tokenizer.ggml.add_bos_token"] = .bool(config["add_bos_token"]?.bool ?? false)
    return file
  }

  private func tokenizer(_ file: GGUFBytes) throws -> Tokenizer {
    let path = folder.write(file.bytes, as: "m.gguf")
    let documents = CheckpointFormat.documents(of: path)
    return try Tokenizer(path: path) { (name, limit) throws(TokenizerError) in
      do throws(CheckpointError) { return try documents.document(name, limit: limit) } catch {
        throw .unreadableFile(path: name, reason: "\(error)")
      }
    }
  }

  private static let texts = [
    "Hello, world! It's 12345 o'clock.", "  two words\n\nnew  line\t tab  ", "日本語のテキスト 中文 한국어 ünï",
    "<|im_end|> <think>x</think> I'LL DON'T", "cafe\u{301} naïve ﬁ", "fn main() { println!(\"{}\", 3.14); }  ", "",
    "1234567 and 1 234 567", "\u{1F600}\u{1F468}\u{200D}\u{1F469}", "UPPER lowerUpper snake_case kebab-case",
  ]

  private func compare(_ name: String, _ path: String, split: String) throws {
    func json(_ name: String) throws -> JSONValue {
      try JSONValue(parsing: try #require(try Tokenizer.documents(in: path)(name, 64 << 20)))
    }
    let expected = try Tokenizer(folder: path)
    let found = try tokenizer(file(try json("tokenizer.json"), try json("tokenizer_config.json"), split: split))
    #expect(found.bosToken == expected.bosToken && found.eosToken == expected.eosToken)
    for text in Self.texts {
      for special in [false, true] {
        let ids = try expected.encode(text, addSpecialTokens: special)
        #expect(try found.encode(text, addSpecialTokens: special) == ids, "\(name): \(text)")
        #expect(
          try found.decode(ids, skipSpecialTokens: special) == expected.decode(ids, skipSpecialTokens: special),
          "\(name): \(text)")
      }
    }
  }

  private static let root = Page.root.appending(path: "Tests/Fixtures").path

  @Test(arguments: [
    ("deepseek_v2_lite", "deepseek-llm"), ("deepseek_v3", "deepseek-v3"), ("qwen3_moe", "qwen2"),
    ("glm4_moe", "glm4"), ("llama", "llama-bpe"), ("gpt_oss", "gpt-4o"), ("olmoe", "olmo"), ("mixtral", ""),
  ])
  func idsAreThoseOfTheFolder(name: String, split: String) throws {
    try compare(name, "\(Self.root)/goldens/\(name)", split: split)
  }

  @Test(arguments: [("deepseek_v2", "deepseek-llm"), ("deepseek_v3", "deepseek-v3")])
  func publishedVocabulariesComeThroughWhole(name: String, split: String) throws {
    try compare(name, "\(Self.root)/tokenizers/\(name)", split: split)
  }

  /// `Fixtures/gguf`: what gguf-py wrote.
  @Test func aFileOfAnotherProgramHasTheGoldensTokenizer() throws {
    let expected = try Tokenizer(folder: "\(Self.root)/goldens/deepseek_v3")
    let path = "\(Self.root)/gguf/deepseek_v3.gguf"
    let documents = CheckpointFormat.documents(of: path)
    let found = try Tokenizer(path: path) { (name, limit) throws(TokenizerError) in
      do throws(CheckpointError) { return try documents.document(name, limit: limit) } catch {
        throw .unreadableFile(path: name, reason: "\(error)")
      }
    }
    #expect(found.chatTemplate == expected.chatTemplate && found.eosToken == expected.eosToken)
    for text in Self.texts {
      #expect(try found.encode(text, addSpecialTokens: true) == expected.encode(text, addSpecialTokens: true))
    }
  }

  /// Words of a tokenizer that has bytes only.
  private func words(_ text: String, split: String) throws -> [Int] {
    let golden = "\(Self.root)/goldens/qwen3_moe"
    func json(_ name: String) throws -> JSONValue {
      try JSONValue(parsing: try #require(try Tokenizer.documents(in: golden)(name, 64 << 20)))
    }
    return try tokenizer(file(try json("tokenizer.json"), try json("tokenizer_config.json"), split: split))
      .pieces(text).map(\.count)
  }

  /// Lengths in bytes: Han characters have three, and are words apart from other letters for Kimi alone.
  @Test func kimiSplitsHanFromOtherLetters() throws {
    #expect(try words("中文abc中文", split: "kimi-k2") == [6, 3, 6])
    #expect(try words("中文abc中文", split: "gpt-4o") == [15])
    #expect(try words(" 中文", split: "kimi-k2") == [1, 6])
    #expect(try words("Hello World's 1234", split: "kimi-k2") == [5, 8, 1, 3, 1])
    #expect(try words("ひらがな漢字", split: "kimi-k2") == [12, 6])
  }

  @Test func everyKnownSplitCanBeUsed() throws {
    let names = [
      "deepseek-v3", "deepseek-llm", "deepseek-coder", "qwen2", "deepseek-r1-qwen", "qwen35", "gpt-4o", "minimax-m2",
      "kimi-k2", "glm4", "chatglm-bpe", "llama-bpe", "tekken", "olmo", "gpt-2", "starcoder", "smaug-bpe",
    ]
    for name in names { #expect(try words("It's 12 words,\n  of 3 kinds.", split: name).reduce(0, +) == 28, "\(name)") }
  }

  @Test func aNameThatIsMissingFollowsFromTheArchitecture() throws {
    let golden = "\(Self.root)/goldens/llama"
    func json(_ name: String) throws -> JSONValue {
      try JSONValue(parsing: try #require(try Tokenizer.documents(in: golden)(name, 64 << 20)))
    }
    let expected = try Tokenizer(folder: golden)
    for name in [nil, "default"] {
      var file = file(try json("tokenizer.json"), try json("tokenizer_config.json"), split: "")
      file["tokenizer.ggml.pre"] = name.map { .string($0) }
      let found = try tokenizer(file)
      for text in Self.texts {
        #expect(try found.encode(text, addSpecialTokens: true) == expected.encode(text, addSpecialTokens: true))
      }
    }
  }
}
