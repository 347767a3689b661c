import JSON
import Testing

/// What is wrong with members, by their whole paths.
struct JSONFaultTests {
  private func reader() throws -> JSONReader<JSONFault> {
    try JSONReader(JSONValue(parsing: #"{"name": 3, "count": 70, "none": null}"#), path: "list[2]")
  }

  @Test func whatIsMissingOrNullIsAbsent() throws {
    let reader = try reader()
    #expect(try reader.string("other") == nil && reader.string("none") == nil)
    #expect(throws: JSONFault.missing(path: "list[2].none")) { try reader.string(needed: "none") }
  }

  @Test func kindsAndBoundsAreHeld() throws {
    let reader = try reader()
    #expect(throws: JSONFault.wrongKind(path: "list[2].name", expected: "a string", found: "a number")) {
      try reader.string("name")
    }
    #expect(throws: JSONFault.outOfRange(path: "list[2].count", expected: "an integer from 0 to 9", found: "70")) {
      try reader.integer("count", in: 0...9)
    }
  }
}
