import Foundation
import JSON
import TestSupport
import Testing
import Tokenization

/// Files that are wrong, by mistake or on purpose: an error that names what is wrong, never a crash.
struct HostileTokenizerTests {
  private func failure(_ json: JSONValue, config: JSONValue? = nil) -> String {
    do {
      _ = try Tokenizer(json: json, config: config)
      return "no error"
    } catch {
      return error.description
    }
  }

  private func model(_ member: String, _ value: JSONValue) -> JSONValue {
    SmallTokenizer.json(vocab: ["a", "b", "ab"], merges: [("a", "b")], model: [(member, value)])
  }

  @Test(arguments: ["Unigram", "WordPiece", "WordLevel"])
  func otherModelsAreRefusedByName(type: String) {
    #expect(failure(model("type", .string(type))).contains("\"\(type)\""))
  }

  @Test func otherComponentsAreRefusedByName() {
    let unknown: JSONValue = ["type": "Precompiled", "precompiled_charsmap": "AAAA"]
    for json in [
      SmallTokenizer.json(vocab: ["a"], normalizer: unknown), SmallTokenizer.json(vocab: ["a"], preTokenizer: unknown),
      SmallTokenizer.json(vocab: ["a"], postProcessor: unknown), SmallTokenizer.json(vocab: ["a"], decoder: unknown),
    ] {
      #expect(failure(json).contains("\"Precompiled\""))
    }
    #expect(failure(model("dropout", .double(0.1))).contains("dropout"))
    #expect(failure(["version": "2.0", "model": [:]]).contains("2.0"))
  }

  @Test(arguments: [
    JSONValue.int(-1), .int(1 << 22), .int(Int.max), .double(1.5), .string("1"), .null,
    .number(JSONNumber(text: "1e0")), .number(JSONNumber(text: "-0")),
    .number(JSONNumber(text: "18446744073709551616")),
  ])
  func anIDMustBeASmallExactInteger(id: JSONValue) {
    #expect(failure(model("vocab", ["a": id])).contains("the id of \"a\""))
    var added = SmallTokenizer.added("x", id: 5).object!
    added["id"] = id
    #expect(failure(SmallTokenizer.json(vocab: ["a"], added: [.object(added)])).contains("added_tokens[0].id"))
  }

  @Test func idsMustDiffer() {
    #expect(failure(model("vocab", ["a": 0, "b": 0])).contains("\"a\" and \"b\" share the id 0"))
    let twice = [SmallTokenizer.added("x", id: 1), SmallTokenizer.added("y", id: 1)]
    #expect(failure(SmallTokenizer.json(vocab: ["a"], added: twice)).contains("share the id 1"))
    #expect(failure(SmallTokenizer.json(vocab: ["a"], added: [SmallTokenizer.added("x", id: 0)])).contains("\"a\""))
  }

  @Test func anAddedTokenMustAgreeWithTheVocabulary() {
    let moved = SmallTokenizer.json(vocab: ["a", "b"], added: [SmallTokenizer.added("a", id: 7)])
    #expect(failure(moved).contains("has the id 0 in the vocabulary"))
    let twice = [SmallTokenizer.added("x", id: 1), SmallTokenizer.added("x", id: 2)]
    #expect(failure(SmallTokenizer.json(vocab: ["a"], added: twice)).contains("listed already"))
  }

  @Test func aMergeMustNameTokens() {
    #expect(failure(model("merges", [["a", "c"]])).contains("merge 0, \"a\" + \"c\", needs the token \"c\""))
    #expect(failure(model("merges", ["a b", "b a"])).contains("merge 1, \"b\" + \"a\", needs the token \"ba\""))
    for merge: JSONValue in ["ab", "a b c", ["a"], ["a", "b", "c"], [1, 2], 7, .null] {
      #expect(failure(model("merges", [merge])).contains("merges[0]"))
    }
  }

  @Test(arguments: ["<0x-1>", "<0x+1>", "<0x1>", "<0x100>", "<0xGG>", "<0xab>", "<0x>", "<0x 1>"])
  func aByteTokenMustHaveTwoHexadecimalDigits(token: String) {
    let json = SmallTokenizer.json(vocab: ["a", token], model: [("byte_fallback", true)])
    #expect(failure(json).contains("\"\(token)\""))
  }

  @Test func everyTruncationOfAFileIsRefused() throws {
    let text = SmallTokenizer.json(
      vocab: SmallTokenizer.letters, preTokenizer: SmallTokenizer.split(#"\p{L}+| ?\S"#),
      decoder: ["type": "ByteLevel"]
    ).text()
    let bytes = Array(text.utf8)
    for count in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: (any Error).self) {
        _ = try Tokenizer(json: try JSONValue(parsing: bytes[..<count]), config: nil)
      }
    }
  }

  @Test func everyMemberOfTheWrongKindIsAnErrorOrHarmless() throws {
    let valid = try Fixtures.json("goldens/mixtral/tokenizer.json")
    for replacement: JSONValue in [.null, 0, -1, "x", [], [:], [[]], true] {
      for mutated in Self.mutations(of: valid, with: replacement, depth: 0) {
        guard let tokenizer = try? Tokenizer(json: mutated, config: nil) else { continue }
        let ids = (try? tokenizer.encode("Hello <s> wörld\n", addSpecialTokens: true)) ?? []
        _ = try? tokenizer.decode(ids, skipSpecialTokens: false)
      }
    }
  }

  /// `value` with each member of each object (lists' first two elements only) replaced in turn.
  private static func mutations(of value: JSONValue, with replacement: JSONValue, depth: Int) -> [JSONValue] {
    switch value {
    case .object(let object):
      object.members.prefix(12).flatMap { key, member in
        ([replacement] + mutations(of: member, with: replacement, depth: depth + 1)).map { changed in
          var copy = object
          copy[key] = changed
          return .object(copy)
        }
      }
    case .array(let array):
      array.indices.prefix(2).flatMap { index in
        ([replacement] + mutations(of: array[index], with: replacement, depth: depth + 1)).map { changed in
          var copy = array
          copy[index] = changed
          return .array(copy)
        }
      }
    default: []
    }
  }

  @Test func aTemplateMustNameKnownTokens() {
    func template(_ id: JSONValue, sequence: String = "A") -> JSONValue {
      SmallTokenizer.json(
        vocab: ["a"],
        postProcessor: [
          "type": "TemplateProcessing",
          "single": [["SpecialToken": ["id": "<s>"]], ["Sequence": ["id": .string(sequence)]]],
          "special_tokens": ["<s>": ["id": "<s>", "ids": [id], "tokens": ["<s>"]]],
        ])
    }
    #expect(failure(template(0)) == "no error")
    #expect(failure(template(1)).contains("special_tokens.<s>.ids[0]"))
    #expect(failure(template(-1)).contains("special_tokens.<s>.ids[0]"))
    #expect(failure(template(0, sequence: "B")).contains("\"B\""))
  }

  @Test func anUnknownIDIsNamed() throws {
    let tokenizer = try Tokenizer(json: SmallTokenizer.json(vocab: ["a"]), config: nil)
    for id in [1, -1, Int.max, Int.min] {
      #expect(throws: TokenizerError.unknownID(id: id, vocabularySize: 1)) {
        try tokenizer.decode([0, id], skipSpecialTokens: false)
      }
      #expect(tokenizer.token(id) == nil && tokenizer.tokenBytes(id) == nil && !tokenizer.isSpecial(id))
    }
  }

  @Test func missingAndOddFilesAreNamed() throws {
    try withTemporaryFolder { folder in
      func failure() -> String {
        do {
          _ = try Tokenizer(folder: folder.path)
          return "no error"
        } catch { return error.description }
      }
      #expect(failure().contains("tokenizer.json"))
      let path = folder.file("tokenizer.json")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      #expect(failure().contains("not a regular file"))
      try FileManager.default.removeItem(atPath: path)
      folder.write("{", as: "tokenizer.json")
      #expect(failure().contains("JSON"))
      folder.write(SmallTokenizer.json(vocab: ["a"]).text(), as: "tokenizer.json")
      #expect(failure() == "no error")
      folder.write("[]", as: "tokenizer_config.json")
      #expect(failure().contains("tokenizer_config.json"))
    }
  }
}
