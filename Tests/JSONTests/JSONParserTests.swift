import JSON
import Testing

struct JSONParserTests {
  @Test(arguments: [
    #"{"a":[1,2.5,-3e2],"b":{"c":null},"d":"x\n\u00e9\ud83d\ude00"}"#, "[]", "{}", "0", "\"\"", "[true,false]",
  ])
  func writingAParsedDocumentAndParsingAgainGivesTheSame(text: String) throws {
    let value = try JSONValue(parsing: text)
    #expect(try JSONValue(parsing: value.text()) == value)
    #expect(try JSONValue(parsing: value.text(pretty: true)) == value)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "01", "1.", "+1", "nul", "\"\u{1}\"", #""\ud800""#, #""\udc00""#, #""\x""#, "1 2",
    "{\"a\":1,\"a\":2}", "[1", "\"abc", "-", "1e", "{a:1}", "NaN",
  ])
  func malformedTextIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: JSONError.invalidUTF8(offset: 0)) { try JSONValue(parsing: [34, 0xFF, 34]) }
  }

  @Test func keysAreComparedByTheirBytes() throws {
    let object = try #require(try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}").object)
    #expect(object["\u{E9}"]?.exactInt == 1)
    #expect(object["e\u{301}"]?.exactInt == 2)
  }

  @Test func onlyPlainIntegersAreExact() throws {
    for (text, value) in [("7", 7), ("-7", -7), ("9223372036854775807", Int.max)] {
      #expect(try JSONValue(parsing: text).exactInt == value)
    }
    for text in ["7.0", "7e0", "-0", "9223372036854775808"] {
      #expect(try JSONValue(parsing: text).exactInt == nil)
    }
  }

  @Test func pythonsNumbersThatAreNotFiniteAreTakenOnlyWhereAskedFor() throws {
    let limits = JSONLimits(allowsNonFinite: true)
    let text = #"{"a": NaN, "b": [Infinity, -Infinity], "c": -1}"#
    let value = try JSONValue(parsing: text, limits: limits)
    #expect(value["a"]?.double?.isNaN == true && value["c"]?.exactInt == -1)
    #expect(value["b"]?.array?.map(\.double) == [.infinity, -.infinity] && value["a"]?.exactInt == nil)
    #expect(try JSONValue(parsing: value.text(), limits: limits)["b"] == value["b"])
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    for wrong in ["nan", "NAN", "Inf", "Infinit", "-Inf", "+Infinity", "--Infinity", "-NaN"] {
      #expect(throws: JSONError.self) { try JSONValue(parsing: wrong, limits: limits) }
    }
  }

  @Test func nestingIsBounded() {
    let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
    #expect(throws: JSONError.tooDeep(offset: 128, limit: 128)) { try JSONValue(parsing: deep) }
  }
}
