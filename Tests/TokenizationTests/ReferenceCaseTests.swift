import JSON
import Testing
import Tokenization

/// Cases the `tokenizers` library answered (Tests/Fixtures/tokenizers/make_reference_cases.py).
struct ReferenceCaseTests {
  struct Group: Sendable, CustomTestStringConvertible {
    let source: JSONValue
    var cases: [JSONValue] = []

    var testDescription: String {
      source.string ?? "pre_tokenizer \(source["pre_tokenizer"]!.text()), normalizer \(source["normalizer"]!.text())"
    }

    func tokenizer() throws -> Tokenizer {
      try Tokenizer(json: source.string.map { try Fixtures.json($0) } ?? source, config: nil)
    }
  }

  static let groups: [Group] = {
    var groups: [Group] = []
    for line in (try? Fixtures.lines("tokenizers/reference_cases.jsonl")) ?? [] {
      if let source = line["tokenizer"] {
        groups.append(Group(source: source))
      } else {
        groups[groups.count - 1].cases.append(line)
      }
    }
    return groups
  }()

  @Test func allFamiliesAndConfigurationsWereRead() {
    #expect(Self.groups.count(where: { $0.source.string != nil }) == 8)
    #expect(Self.groups.count > 90)
    #expect(Self.groups.reduce(0) { $0 + $1.cases.count } > 1700)
  }

  @Test(arguments: groups)
  func everyCaseGivesTheReferencesAnswer(group: Group) throws {
    let tokenizer = try group.tokenizer()
    for entry in group.cases {
      let ids = try #require(entry["ids"]?.ints)
      let decoded = try #require(entry["decoded"]?.string)
      let text = try tokenizer.decode(ids, skipSpecialTokens: entry["skip"]?.bool ?? false)
      #expect(sameBytes(text, decoded), "\(entry.text())")
      guard let text = entry["text"]?.string else { continue }
      #expect(try tokenizer.encode(text, addSpecialTokens: false) == ids, "\(entry.text())")
      #expect(
        try tokenizer.encode(text, addSpecialTokens: true) == entry["ids_with_special"]?.ints, "\(entry.text())")
      guard let pieces = entry["pieces"]?.strings else { continue }
      #expect(try tokenizer.pieces(text).elementsEqual(pieces, by: sameBytes), "\(entry.text())")
    }
  }

  @Test(arguments: groups)
  func streamedTextIsTheDecodedText(group: Group) throws {
    let tokenizer = try group.tokenizer()
    for entry in group.cases {
      let ids = try #require(entry["ids"]?.ints)
      for skips in [false, true] {
        var decoder = tokenizer.makeStreamingDecoder(skipSpecialTokens: skips)
        var streamed = ""
        for id in ids { streamed += try decoder.push(id) }
        streamed += try decoder.finish()
        #expect(sameBytes(streamed, try tokenizer.decode(ids, skipSpecialTokens: skips)), "\(entry.text())")
      }
    }
  }
}
