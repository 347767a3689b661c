import Foundation
import JSON
import Testing
import Tokenization

/// Patterns and texts chosen to be expensive: an error or an answer, soon.
struct MatchingCostTests {
  private func tokenizer(_ pattern: String) throws -> Tokenizer {
    try Tokenizer(
      json: SmallTokenizer.json(vocab: SmallTokenizer.letters, preTokenizer: SmallTokenizer.split(pattern)),
      config: nil)
  }

  @Test(arguments: [
    "(", ")", "[a", "a**", "*a", "(?<a", "a{2,1}", "a{70000}", #"\p{Klingon}"#, #"\1"#, #"\k<a>"#, #"(?R)"#, #"\"#,
    "[b-a]", #"[a-\d]"#, "(?x)a", "(?s)a", "(?<=a+)b", #"\xE9"#, #"\x{110000}"#, #"\uD800"#, #"\C"#, #"\X"#,
    "(?(1)a|b)", "(*UCP)a", "(?C1)a", "[[:klingon:]]",
    String(repeating: "(", count: 1000) + String(repeating: ")", count: 1000),
    String(repeating: "[", count: 1000) + "a" + String(repeating: "]", count: 1000),
    String(repeating: "a", count: 20_000),
    "(?:(?:(?:a{1000}){1000}){1000}){1000}",
  ])
  func anUnusablePatternIsRefused(pattern: String) throws {
    #expect(throws: TokenizerError.self) { try tokenizer(pattern) }
  }

  @Test(arguments: ["(?:a|a)+b", "(?:a+)+b", "(?:a*)*b", "(?:a|aa)+$", "(?:(?:a+)+)+!", "(?:.|.)*x"])
  func anExponentialPatternIsStopped(pattern: String) throws {
    let clock = ContinuousClock.now
    // The text ends in what the patterns want, lest the engine see at once that it is missing.
    _ = try? tokenizer(pattern).encode(String(repeating: "a", count: 5000) + "c b!x", addSpecialTokens: false)
    #expect(ContinuousClock.now - clock < .seconds(120))
  }

  @Test(arguments: [#"(?:\s)+$"#, #"\s+$"#, #"(?:\s|\S\s)+x"#, #"\s*\s*\s*x"#])
  func aQuadraticPatternIsStoppedOrFast(pattern: String) throws {
    let clock = ContinuousClock.now
    _ = try? tokenizer(pattern).encode(String(repeating: " ", count: 30_000) + "1x", addSpecialTokens: false)
    #expect(ContinuousClock.now - clock < .seconds(120))
  }

  @Test(arguments: [" ", "a", "ab ", "\n", " \n", "1", "é", "中", "e\u{301}", "<｜", "\u{E000}", "😀", "'s"])
  func longRunsEncodeInGoodTimeAndDecodeToThemselves(unit: String) throws {
    let text = String(repeating: unit, count: 30_000 / unit.utf8.count) + "1"
    for tokenizer in [try Fixtures.deepseekV3.get(), try Fixtures.deepseekV2.get()] {
      let clock = ContinuousClock.now
      let ids = try tokenizer.encode(text, addSpecialTokens: false)
      #expect(ContinuousClock.now - clock < .seconds(120))
      #expect(sameBytes(try tokenizer.decode(ids, skipSpecialTokens: false), text))
    }
  }

  @Test func oneLongWordMergesInNearLinearTime() throws {
    var vocab = ["a"]
    var merges: [(String, String)] = []
    for _ in 0..<12 {
      merges.append((vocab.last!, vocab.last!))
      vocab.append(vocab.last! + vocab.last!)
    }
    let tokenizer = try Tokenizer(json: SmallTokenizer.json(vocab: vocab, merges: merges), config: nil)
    let clock = ContinuousClock.now
    let ids = try tokenizer.encode(String(repeating: "a", count: 200_001), addSpecialTokens: false)
    #expect(ContinuousClock.now - clock < .seconds(120))
    #expect(ids.count == 200_001 / 4096 + (200_001 % 4096).nonzeroBitCount)
    #expect(ids.first == 12 && ids.last == 0)
  }
}
