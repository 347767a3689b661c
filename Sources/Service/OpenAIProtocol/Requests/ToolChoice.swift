import JSON

/// Whether the model must call a function.
package enum ToolChoice: Sendable, Equatable {
  case none, auto, required
  case function(String)

  private static let table = RequestMembers(["type", "function"])
  private static let functionTable = RequestMembers(["name"])

  /// What the request chose: `auto` with tools and `none` without, unless it says.
  init(_ request: RequestReader, tools: [ToolDefinition]) throws(APIError) {
    switch request["tool_choice"] {
    case nil: self = tools.isEmpty ? .none : .auto
    case .string("none"): self = .none
    case .string("auto"): self = tools.isEmpty ? .none : .auto
    case .string("required"):
      guard !tools.isEmpty else {
        throw .invalidRequest("'tool_choice' is 'required', but there are no 'tools'", param: "tool_choice")
      }
      self = .required
    case .string(let other)?:
      throw .outOfRange("tool_choice", expected: "'none', 'auto', 'required' or a function", found: "'\(other)'")
    case let value?:
      guard value.object != nil else {
        throw .wrongType("tool_choice", expected: "a string or an object", found: value)
      }
      self = .function(try Self.name(RequestReader(value, path: "tool_choice"), tools: tools))
    }
  }

  private static func name(_ reader: RequestReader, tools: [ToolDefinition]) throws(APIError) -> String {
    let type = try reader.requiredString("type")
    guard type == "function" else { throw .outOfRange(reader.path("type"), expected: "'function'", found: "'\(type)'") }
    try table.check(reader)
    guard let function = try reader.reader("function") else { throw .missing(reader.path("function")) }
    try functionTable.check(function)
    let name = try function.requiredString("name")
    guard tools.contains(where: { $0.name == name }) else {
      throw .invalidRequest(
        "'tool_choice' names the function '\(APIError.clipped(name))', which is not among 'tools'",
        param: function.path("name"))
    }
    return name
  }
}
