import JSON

/// Where references lead.
extension SchemaNormalizer {
  /// The schema that "$ref" names: a pointer, an anchor, or an identifier of this document.
  func target(of keywords: SchemaKeywords) throws(StructuredOutputError) -> SchemaReference {
    let reference = try keywords.string("$ref") ?? "#"
    let pointer = keywords.schema.pointer
    let parts = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let (base, fragment) = (parts[0], parts.count > 1 ? parts[1] : "")
    let identifiers = try knownIdentifiers()
    if base.isEmpty || base == identifiers.root {
      if fragment.isEmpty || fragment.hasPrefix("/") {
        return try SchemaReference.resolve("#" + fragment, in: root, pointer: pointer)
      }
      if let found = identifiers.schemas["#" + fragment] { return found }
      return try SchemaReference.resolve(reference, in: root, pointer: pointer)
    }
    guard let found = identifiers.schemas[base] else {
      return try SchemaReference.resolve(reference, in: root, pointer: pointer)
    }
    if fragment.isEmpty { return found }
    var target = try SchemaReference.resolve("#" + fragment, in: found.value, pointer: pointer)
    target.pointer = found.pointer + target.pointer.dropFirst()
    return target
  }

  /// The schemas of a document by "$id", "id" and "$anchor", and the document's own identifier.
  struct Identifiers {
    var root: String?
    var schemas: [String: SchemaReference] = [:]
  }

  private func knownIdentifiers() throws(StructuredOutputError) -> Identifiers {
    if let identifiers { return identifiers }
    var found = Identifiers()
    let own = root["$id"]?.string ?? root["id"]?.string
    found.root = own.map { $0.hasSuffix("#") ? String($0.dropLast()) : $0 }
    var stack = [SchemaReference(value: root, pointer: "#")]
    while let next = stack.popLast() {
      try budget.spend(1)
      if let elements = next.value.array {
        for (i, element) in elements.enumerated() { stack.append(next.child("\(i)", element)) }
      }
      guard let object = next.value.object else { continue }
      if next.pointer != "#" {
        for name in [object["$id"]?.string, object["id"]?.string, object["$anchor"]?.string.map({ "#" + $0 })] {
          if let name, found.schemas[name] == nil { found.schemas[name] = next }
        }
      }
      for (key, value) in object.members where key != "enum" && key != "const" {
        if value.object != nil || value.array != nil { stack.append(next.child(key, value)) }
      }
    }
    identifiers = found
    return found
  }
}
