import ModelText
import Testing
import Tokenization

@Suite struct TextStreamTests {
  @Test func piecesMakeTheTextAndTheirWidthsItsLength() throws {
    let text = " there was a king – ☃️ and a queen"
    let tokens = TestModel.plain.tokens(text)
    var stream = TextStream(try TestModel.plain.codec.tokenizer(), stops: StopStrings([]))
    let pieces = tokens.enumerated().map { stream.push($1, isLast: $0 == tokens.count - 1) }
    #expect(pieces.map(\.text).joined() == text && pieces.allSatisfy { !$0.isStopped })
    #expect(pieces.reduce(0) { $0 + $1.width } == text.unicodeScalars.count)
  }

  @Test func aStopStringEndsTheTextBeforeIt() throws {
    let tokens = TestModel.plain.tokens(" there was a king and a queen")
    var stream = TextStream(try TestModel.plain.codec.tokenizer(), stops: StopStrings(["nobody", "king and"]))
    var (text, count) = ("", 0)
    for token in tokens {
      let piece = stream.push(token, isLast: false)
      (text, count) = (text + piece.text, count + 1)
      if piece.isStopped { break }
    }
    #expect(text == " there was a " && count < tokens.count && stream.stopText == "king and")
  }

  @Test func whatWasHeldBackIsShownAtTheEnd() throws {
    let tokens = TestModel.plain.tokens(" a king")
    var stream = TextStream(try TestModel.plain.codec.tokenizer(), stops: StopStrings(["king and"]))
    let text = tokens.enumerated().map { stream.push($1, isLast: $0 == tokens.count - 1).text }.joined()
    #expect(text == " a king" && stream.stopText == nil)
  }

  /// A special token has no text, but a text may be what stops at it; one that ends a text has none either.
  @Test func specialTokensAreNotShownUnlessTheyAreMarkers() throws {
    let tokenizer = try TestModel.tools.codec.tokenizer()
    let call = Int32(try #require(tokenizer.id(of: "<tool_call>")))
    let word = TestModel.tools.tokens(" king")
    var plain = TextStream(tokenizer, stops: StopStrings([]))
    #expect(plain.push(call, isLast: false).text == "")
    #expect(word.map { plain.push($0, isLast: false).text }.joined() == " king")
    #expect(plain.push(word[0], isLast: true, isEnd: true).text == "")
    var marked = TextStream(tokenizer, markers: ["<tool_call>"], stops: StopStrings([]))
    #expect(marked.push(call, isLast: false).text == "<tool_call>")
    var stopped = TextStream(tokenizer, stops: StopStrings(["<tool_call>"]))
    let last = stopped.push(call, isLast: false)
    #expect(last.text == "" && last.isStopped && last.width == 0)
  }

  @Test func withoutATokenizerTheTextIsTheIds() {
    var stream = TextStream(nil, stops: StopStrings(["3,"]))
    #expect(stream.push(12, isLast: false).text == "12" && stream.push(4, isLast: false).text == ",4")
    #expect(stream.push(3, isLast: false).text == "," && stream.push(5, isLast: false).isStopped)
  }
}
