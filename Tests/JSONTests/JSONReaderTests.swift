import JSON
import Testing

/// What was wrong, as values.
private struct Refusal: JSONReadingError, Equatable {
  static var takesNullForAbsent: Bool { true }
  var path: String
  var expected: String

  init(missing path: String) { (self.path, expected) = (path, "something") }
  init(wrongKind path: String, expected: String, found: JSONValue) { (self.path, self.expected) = (path, expected) }
  init(outOfRange path: String, expected: String, found: String) { (self.path, self.expected) = (path, expected) }
}

@Suite struct JSONReaderTests {
  private let reader: JSONReader<Refusal>

  init() throws {
    let text = #"{"a": {"b": [1, {"c": "x"}], "n": null, "f": true}, "i": 3, "x": 0.5, "s": "t"}"#
    reader = try JSONReader(JSONValue(parsing: text), path: "")
  }

  @Test func valuesAreReadByKind() throws {
    #expect(try reader.integer("i", in: 0...3) == 3 && reader.integer(needed: "i") == 3)
    #expect(try reader.number("x", in: 0...1) == 0.5 && reader.string("s") == "t" && reader.string(needed: "s") == "t")
    let inner = try #require(try reader.reader("a"))
    #expect(try inner.bool("f") == true && inner.array("b")?.count == 2)
    #expect(try inner.string("n") == nil && inner["n"] == nil && inner.string("absent") == nil)
  }

  @Test func errorsNameTheWholePath() throws {
    let inner = try #require(try reader.reader("a"))
    func refusal(_ body: () throws -> Void) throws -> String {
      let refusal = try #require(throws: Refusal.self) { try body() }
      return "\(refusal.path): \(refusal.expected)"
    }
    #expect(try refusal { _ = try inner.string("b") } == "a.b: a string")
    #expect(try refusal { _ = try inner.string(needed: "n") } == "a.n: something")
    #expect(try refusal { _ = try reader.integer("i", in: 4...5) } == "i: an integer from 4 to 5")
    #expect(try refusal { _ = try reader.integer("x", in: 0...Int.max) } == "x: an integer of at least 0")
    #expect(try refusal { _ = try reader.integer("x", in: Int.min...Int.max) } == "x: an integer of 64 bits")
    #expect(
      try refusal { _ = try reader.number("x", in: 0.5...2, excludesLower: true) }
        == "x: a number more than 0.5 and at most 2.0")
    #expect(try refusal { _ = try reader.number("s", in: 0...1) } == "s: a number")
    #expect(try refusal { _ = try reader.bool("s") } == "s: a boolean")
    #expect(
      try refusal {
        _ = try inner.array(needed: "b") { value, path throws(Refusal) in
          try JSONReader<Refusal>.integer(value, path: path, in: 0...9)
        }
      } == "a.b[1]: an integer")
    #expect(try refusal { _ = try JSONReader<Refusal>([], path: "", name: "the body") } == "the body: an object")
  }
}
