import JSON

/// The form a reply must have.
package enum ResponseFormat: Sendable, Equatable {
  case text
  /// Any JSON object.
  case jsonObject
  case jsonSchema(name: String, schema: JSONValue, isStrict: Bool)

  private static let table = RequestMembers(["type", "json_schema"])
  private static let schemaTable = RequestMembers(["name", "description", "schema", "strict"])
  private static let flatTable = RequestMembers(["type", "name", "description", "schema", "strict"])

  init(_ request: RequestReader) throws(APIError) {
    guard let reader = try request.reader("response_format") else {
      self = .text
      return
    }
    let type = try reader.requiredString("type")
    try Self.table.check(reader)
    switch type {
    case "text": self = .text
    case "json_object": self = .jsonObject
    case "json_schema":
      guard let schema = try reader.reader("json_schema") else { throw .missing(reader.path("json_schema")) }
      try Self.schemaTable.check(schema)
      self = try Self.schema(schema)
    default:
      throw .outOfRange(reader.path("type"), expected: "'text', 'json_object' or 'json_schema'", found: "'\(type)'")
    }
    if type != "json_schema", reader["json_schema"] != nil {
      throw .invalidRequest(
        "'response_format.json_schema' needs the type 'json_schema', but the type is '\(type)'",
        param: reader.path("json_schema"))
    }
  }

  /// The form of the Responses API, where a schema's members stand beside the type.
  init(flat reader: RequestReader) throws(APIError) {
    let type = try reader.requiredString("type")
    try Self.flatTable.check(reader)
    switch type {
    case "text": self = .text
    case "json_object": self = .jsonObject
    case "json_schema": self = try Self.schema(reader)
    default:
      throw .outOfRange(reader.path("type"), expected: "'text', 'json_object' or 'json_schema'", found: "'\(type)'")
    }
  }

  private static func schema(_ reader: RequestReader) throws(APIError) -> ResponseFormat {
    let name = try ToolDefinition.name(reader)
    _ = try reader.string("description")
    let value = try reader.required("schema")
    guard value.object != nil else { throw .wrongType(reader.path("schema"), expected: "an object", found: value) }
    return .jsonSchema(name: name, schema: value, isStrict: try reader.bool("strict") ?? false)
  }
}
