import JSON

/// Writes what is told of a token as members of an object.
struct MemberWriter: TokenFieldVisitor {
  private(set) var members: [(String, JSONValue)] = []

  mutating func count(_ name: String, _ value: inout Int?, atMost limit: Int) throws(Never) {
    if let value { members.append((name, .int(value))) }
  }

  mutating func number(_ name: String, _ value: inout Float?) throws(Never) {
    if let value { members.append((name, .exactFloat(value))) }
  }

  mutating func candidates(_ name: String, _ values: inout [Candidate]) throws(Never) {
    if !values.isEmpty { members.append((name, .array(values.map(\.json)))) }
  }
}

/// Reads what is told of a token from members of an object.
struct FieldReader: TokenFieldVisitor {
  let fields: MessageReader

  mutating func count(_ name: String, _ value: inout Int?, atMost limit: Int) throws(EngineAPIError) {
    value = try fields.integer(name, in: 0...limit)
  }

  mutating func number(_ name: String, _ value: inout Float?) throws(EngineAPIError) {
    if let given = fields[name] { value = try MessageReader.float(given, fields.path(name)) }
  }

  mutating func candidates(_ name: String, _ values: inout [Candidate]) throws(EngineAPIError) {
    if fields[name] != nil { values = try fields.array(needed: name, Candidate.init(json:at:)) }
  }
}

extension TokenDetails {
  var members: [(String, JSONValue)] {
    var (writer, details) = (MemberWriter(), self)
    details.visit(&writer)
    return writer.members
  }

  init(_ fields: MessageReader) throws(EngineAPIError) {
    var reader = FieldReader(fields: fields)
    try visit(&reader)
  }
}

extension Candidate {
  fileprivate var json: JSONValue { ["token": .int(Int(token)), "logprob": .exactFloat(logprob)] }

  fileprivate init(json: JSONValue, at path: String) throws(EngineAPIError) {
    let fields = try MessageReader(json, path: path)
    self.init(token: try fields.token(needed: "token"), logprob: try fields.float(needed: "logprob"))
  }
}
