import JSON

/// A function the model may call.
package struct ToolDefinition: Sendable, Equatable {
  package var name: String
  package var description: String?
  /// The JSON schema of the arguments, an object; of a function without parameters, the schema of an empty object.
  package var parameters: JSONValue
  /// Arguments must follow the schema.
  package var isStrict: Bool
  /// Where the request has the parameters, such as `tools[2].function.parameters`.
  package var parametersPath: String
  /// The tool as the request wrote it, which is what chat templates read.
  package var json: JSONValue

  package init(
    name: String, description: String? = nil, parameters: JSONValue? = nil, isStrict: Bool = false,
    parametersPath: String = "tools"
  ) {
    self.name = name
    self.description = description
    self.parameters = parameters ?? Self.noParameters
    self.isStrict = isStrict
    self.parametersPath = parametersPath
    var function = JSONObject([("name", .string(name))])
    function["description"] = description.map { .string($0) }
    function["parameters"] = self.parameters
    json = ["type": "function", "function": .object(function)]
  }

  private static let noParameters: JSONValue = ["type": "object", "properties": [:]]
  private static let table = RequestMembers(["type", "function"], ignored: ["cache_control"])
  private static let functionTable = RequestMembers(["name", "description", "parameters", "strict"])

  /// The tools of a request; none when it has none.
  static func list(_ request: RequestReader, limits: RequestLimits) throws(APIError) -> [ToolDefinition] {
    try list(request, limits: limits, name: "function.name") { reader throws(APIError) in try ToolDefinition(reader) }
  }

  /// The tools of a request, no two of one name: each is what `read` makes of it, nil where it is left out. `name` is
  /// the path of a tool's name.
  static func list(
    _ request: RequestReader, limits: RequestLimits, name: String,
    _ read: (RequestReader) throws(APIError) -> ToolDefinition?
  ) throws(APIError) -> [ToolDefinition] {
    let values = try request.array("tools") ?? []
    guard values.count <= limits.toolCount else {
      throw .outOfRange("tools", expected: "an array of at most \(limits.toolCount) tools", found: "\(values.count)")
    }
    var tools: [ToolDefinition] = []
    var names: Set<String> = []
    for (i, value) in values.enumerated() {
      let reader = try RequestReader(value, path: "tools[\(i)]")
      guard let tool = try read(reader) else { continue }
      guard names.insert(tool.name).inserted else {
        throw .invalidRequest("'tools' has two tools named '\(tool.name)'", param: reader.path(name))
      }
      tools.append(tool)
    }
    return tools
  }

  private init(_ reader: RequestReader) throws(APIError) {
    let type = try reader.requiredString("type")
    guard type == "function" else { throw .outOfRange(reader.path("type"), expected: "'function'", found: "'\(type)'") }
    try Self.table.check(reader)
    guard let function = try reader.reader("function") else { throw .missing(reader.path("function")) }
    try Self.functionTable.check(function)
    let name = try Self.name(function)
    if let parameters = function["parameters"], parameters.object == nil {
      throw .wrongType(function.path("parameters"), expected: "an object", found: parameters)
    }
    self.init(
      name: name, description: try function.string("description"), parameters: function["parameters"],
      isStrict: try function.bool("strict") ?? false, parametersPath: function.path("parameters"))
    json = .object(reader.object)
  }

  /// The name of a function, of `namespace` where it has one, or of the schema in a response format.
  static func name(_ reader: RequestReader, of namespace: String? = nil, limit: Int = 64) throws(APIError) -> String {
    let name = ToolNamespaces.joined(namespace, try reader.requiredString("name"))
    let isName =
      !name.isEmpty && name.utf8.count <= limit
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
    guard isName else {
      throw .outOfRange(
        reader.path("name"), expected: "1 to \(limit) letters, digits, '_' and '-' of ASCII", found: "'\(name)'")
    }
    return name
  }
}
