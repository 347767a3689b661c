import JSON

/// Tools that a request for a response groups under a name, as Codex does with those of MCP servers. A model knows each
/// by one name that is made of both; clients know them by the two.
package struct ToolNamespaces: Sendable, Equatable {
  private struct Parts: Equatable {
    var namespace: String
    var name: String
  }

  private var parts: [String: Parts] = [:]

  package init() {}

  /// The one name of a tool, or of a call that a client sends back.
  static func joined(_ namespace: String?, _ name: String) -> String {
    guard let namespace, !namespace.isEmpty else { return name }
    return namespace.hasSuffix("__") ? namespace + name : namespace + "__" + name
  }

  mutating func add(_ joined: String, namespace: String, name: String) {
    parts[joined] = Parts(namespace: namespace, name: name)
  }

  /// How an item tells a call's tool.
  func members(of name: String) -> [(String, JSONValue)] {
    guard let parts = parts[name] else { return [("name", .string(name))] }
    return [("name", .string(parts.name)), ("namespace", .string(parts.namespace))]
  }
}
