import Foundation
import JSON
import Testing
import Tokenization

struct PublishedTokenizerTests {
  @Test(arguments: ["v3", "v2"])
  func everyPublishedCaseGivesTheReferencesAnswer(version: String) throws {
    let tokenizer = try version == "v3" ? Fixtures.deepseekV3.get() : Fixtures.deepseekV2.get()
    var counts = ["encode": 0, "decode": 0, "pieces": 0]
    for (line, entry) in try Fixtures.lines("tokenizers/cases.jsonl").enumerated() {
      let kind = try #require(entry["kind"]?.string)
      guard let expected = entry[version] else { continue }
      counts[kind, default: 0] += 1
      let label: Comment = "line \(line + 1)"
      switch kind {
      case "encode":
        let text = try #require(entry["text"]?.string)
        let ids = try #require(expected["ids"]?.ints)
        #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, label)
        #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), text), label)
        if let skipped = expected["decoded_skip"]?.string {
          #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: true), skipped), label)
        }
      case "decode":
        let ids = try #require(expected["ids"]?.ints)
        let decoded = try #require(expected["decoded"]?.string)
        #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), decoded), label)
      default:
        let pieces = try #require(expected.strings)
        let text = try #require(entry["text"]?.string)
        #expect(try tokenizer.pieces(text).elementsEqual(pieces, by: sameBytes), label)
      }
    }
    #expect(counts["encode"]! > 200 && counts["decode"]! >= 60 && counts["pieces"]! > 200)
  }

  static let goldens =
    (try? FileManager.default.contentsOfDirectory(atPath: "\(Fixtures.folder)/goldens"))?.sorted() ?? []

  @Test(arguments: goldens)
  func everyGoldenCaseGivesTheReferencesAnswer(name: String) throws {
    let tokenizer = try Tokenizer(folder: "\(Fixtures.folder)/goldens/\(name)")
    let goldens = try Fixtures.json("goldens/\(name)/goldens.json")
    for entry in try #require(goldens["tokenizer_cases"]?.array) {
      let text = try #require(entry["text"]?.string)
      let ids = try #require(entry["ids"]?.ints)
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text)")
      #expect(try tokenizer.encode(text, addSpecialTokens: true) == entry["ids_with_special"]?.ints, "\(text)")
      let decoded = try #require(entry["decoded"]?.string)
      #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), decoded), "\(text)")
    }
    for chat in goldens["chat"]?.array ?? [] {
      let text = try #require(chat["text"]?.string)
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == chat["ids"]?.ints, "\(text)")
    }
    let config = try Fixtures.json("goldens/\(name)/tokenizer_config.json")
    #expect(tokenizer.chatTemplate == config["chat_template"]?.string)
    #expect(tokenizer.eosToken == config["eos_token"]?.string)
  }

  @Test func goldensOfEveryFamilyWereRead() { #expect(Self.goldens.count >= 17) }
}
