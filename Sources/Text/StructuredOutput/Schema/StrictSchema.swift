import JSON

extension JSONValue {
  /// This schema with its objects closed, as `strict: true` asks for: where an object that names properties leaves
  /// `additionalProperties` out it has no others, and where it leaves `required` out it has all of them.
  ///
  /// Parts of objects stay open: what stands in `allOf` with others, and below `not`, `if` and dependencies.
  package var withClosedObjects: JSONValue {
    var open: Set<String> = []
    collectParts(into: &open, isPart: false, depth: 0)
    return closed(pointer: "#", open: open, depth: 0)
  }

  /// Schemas below these keywords are whole values, by name, in lists, or by themselves.
  private static let named: Set<String> = ["properties", "$defs", "definitions", "patternProperties"]
  private static let listed: Set<String> = ["anyOf", "oneOf", "prefixItems"]
  private static let single: Set<String> = ["items", "additionalProperties", "additionalItems", "contains"]
  private static let combining = ["$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"]
  private static let depthLimit = 128

  /// References to schemas that are combined with others.
  private func collectParts(into open: inout Set<String>, isPart: Bool, depth: Int) {
    guard depth < Self.depthLimit else { return }
    if let elements = array {
      for element in elements { element.collectParts(into: &open, isPart: isPart, depth: depth + 1) }
    }
    guard let object else { return }
    if let reference = object["$ref"]?.string, isPart || object["properties"] != nil { open.insert(reference) }
    for (key, value) in object.members {
      let isCombined = key == "allOf" && (value.array?.count ?? 0) + (object["properties"] == nil ? 0 : 1) > 1
      let inner = isCombined || ["not", "if", "then", "else", "dependentSchemas"].contains(key)
      value.collectParts(into: &open, isPart: inner || (isPart && !Self.named.contains(key)), depth: depth + 1)
    }
  }

  private func closed(pointer: String, open: Set<String>, depth: Int) -> JSONValue {
    guard var result = object, depth < Self.depthLimit else { return self }
    for (key, value) in result.members.map({ $0 }) {
      if Self.named.contains(key), let members = value.object {
        result[key] = .object(
          JSONObject(
            members.members.map { name, value in
              (name, value.closed(pointer: "\(pointer)/\(key)/\(name)", open: open, depth: depth + 1))
            }))
      } else if Self.single.contains(key), value.object != nil {
        result[key] = value.closed(pointer: "\(pointer)/\(key)", open: open, depth: depth + 1)
      } else if let elements = value.array, Self.listed.contains(key) || (key == "allOf" && elements.count == 1) {
        result[key] = .array(
          elements.enumerated().map { i, element in
            element.closed(pointer: "\(pointer)/\(key)/\(i)", open: open, depth: depth + 1)
          })
      }
    }
    let isWhole = !open.contains(pointer) && !Self.combining.contains { result[$0] != nil }
    guard isWhole, let properties = result["properties"]?.object else { return .object(result) }
    if result["additionalProperties"] == nil { result["additionalProperties"] = false }
    if result["required"] == nil { result["required"] = .array(properties.keys.map { .string($0) }) }
    return .object(result)
  }
}
