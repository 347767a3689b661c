/// The functions a request offers, as replies name them.
struct CallNames: Sendable {
  private let known: Set<String>

  init(_ tools: [ToolDefinition]) { known = Set(tools.map(\.name)) }

  var isEmpty: Bool { known.isEmpty }
  func contains(_ name: String) -> Bool { known.contains(name) }

  /// The function that a reply means: without quotes, and without a prefix that only names in other formats have. A
  /// name that is not offered stays what it is, unless it `isUnmarked`, when it is no call; nil for no name at all.
  func name(_ text: String, isUnmarked: Bool = false) -> String? {
    var name = SectionReader.trimmed(text)
    if name.utf8.count >= 2, let first = name.utf8.first, first == name.utf8.last, "\"'`".utf8.contains(first) {
      name = SectionReader.trimmed(String(name.dropFirst().dropLast()))
    }
    for prefix in ["functions.", "function.", "tools.", "to="] where !known.contains(name) && name.hasPrefix(prefix) {
      name = String(name.dropFirst(prefix.count))
    }
    return name.isEmpty || isUnmarked && !known.contains(name) ? nil : name
  }
}
