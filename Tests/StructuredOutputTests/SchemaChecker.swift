import Foundation
import JSON

/// A plain validator of JSON Schema 2020-12, for the keywords that outputs are held to. It shares nothing with the
/// module under test but the parser, and takes numbers as doubles.
struct SchemaChecker {
  let root: JSONValue

  func accepts(_ value: JSONValue) -> Bool { accepts(value, root) }

  private func accepts(_ value: JSONValue, _ schema: JSONValue) -> Bool {
    if let flag = schema.bool { return flag }
    guard let keywords = schema.object else { return false }
    return keywords.members.allSatisfy { check($0.key, $0.value, value, keywords) }
  }

  private func check(_ keyword: String, _ demand: JSONValue, _ value: JSONValue, _ all: JSONObject) -> Bool {
    switch keyword {
    case "type": return (demand.array ?? [demand]).contains { isOf($0.string ?? "", value) }
    case "enum": return demand.array!.contains { same($0, value) }
    case "const": return same(demand, value)
    case "$ref": return accepts(value, resolve(demand.string!))
    case "allOf": return demand.array!.allSatisfy { accepts(value, $0) }
    case "anyOf": return demand.array!.contains { accepts(value, $0) }
    case "oneOf": return demand.array!.count { accepts(value, $0) } == 1
    case "not": return !accepts(value, demand)
    case "if": return (accepts(value, demand) ? all["then"] : all["else"]).map { accepts(value, $0) } ?? true
    case "minimum":
      let isExclusive = all["exclusiveMinimum"]?.bool ?? false
      return value.double.map { isExclusive ? $0 > demand.double! : $0 >= demand.double! } ?? true
    case "maximum":
      let isExclusive = all["exclusiveMaximum"]?.bool ?? false
      return value.double.map { isExclusive ? $0 < demand.double! : $0 <= demand.double! } ?? true
    case "exclusiveMinimum" where demand.bool != nil, "exclusiveMaximum" where demand.bool != nil: return true
    case "exclusiveMinimum": return value.double.map { $0 > demand.double! } ?? true
    case "exclusiveMaximum": return value.double.map { $0 < demand.double! } ?? true
    case "multipleOf":
      guard let number = value.double else { return true }
      let quotient = number / demand.double!
      return abs(quotient - quotient.rounded()) < 1e-9 * max(1, abs(quotient))
    case "minLength": return value.string.map { $0.unicodeScalars.count >= demand.exactInt! } ?? true
    case "maxLength": return value.string.map { $0.unicodeScalars.count <= demand.exactInt! } ?? true
    case "pattern":
      return value.string.map { finds(demand.string!, in: $0) } ?? true
    case "minItems": return value.array.map { $0.count >= demand.exactInt! } ?? true
    case "maxItems": return value.array.map { $0.count <= demand.exactInt! } ?? true
    case "prefixItems": return value.array.map { zip($0, demand.array!).allSatisfy { accepts($0, $1) } } ?? true
    case "items" where demand.array != nil:
      return value.array.map { zip($0, demand.array!).allSatisfy { accepts($0, $1) } } ?? true
    case "additionalItems":
      guard let first = all["items"]?.array else { return true }
      return value.array.map { $0.dropFirst(first.count).allSatisfy { accepts($0, demand) } } ?? true
    case "uniqueItems":
      guard demand.bool == true, let items = value.array else { return true }
      return items.indices.allSatisfy { i in !items[..<i].contains { same($0, items[i]) } }
    case "contains":
      guard let items = value.array else { return true }
      return items.contains { accepts($0, demand) }
    case "items":
      let skipped = all["prefixItems"]?.array?.count ?? 0
      return value.array.map { $0.dropFirst(skipped).allSatisfy { accepts($0, demand) } } ?? true
    case "required":
      return value.object.map { object in demand.array!.allSatisfy { object[$0.string!] != nil } } ?? true
    case "minProperties": return value.object.map { $0.count >= demand.exactInt! } ?? true
    case "maxProperties": return value.object.map { $0.count <= demand.exactInt! } ?? true
    case "properties":
      return value.object.map { object in
        demand.object!.members.allSatisfy { name, schema in object[name].map { accepts($0, schema) } ?? true }
      } ?? true
    case "additionalProperties":
      return value.object.map { object in
        object.members.allSatisfy { name, member in
          all["properties"]?[name] != nil || accepts(member, demand)
            || all["patternProperties"]?.object?.keys.contains { finds($0, in: name) } ?? false
        }
      } ?? true
    case "patternProperties":
      return value.object.map { object in
        object.members.allSatisfy { name, member in
          demand.object!.members.allSatisfy { !finds($0.key, in: name) || accepts(member, $0.value) }
        }
      } ?? true
    case "propertyNames":
      return value.object.map { $0.keys.allSatisfy { accepts(.string($0), demand) } } ?? true
    case "dependentRequired", "dependentSchemas", "dependencies":
      return value.object.map { object in
        demand.object!.members.allSatisfy { name, needed in
          if object[name] == nil { return true }
          return needed.array.map { $0.allSatisfy { object[$0.string!] != nil } } ?? accepts(value, needed)
        }
      } ?? true
    default: return true
    }
  }

  private func finds(_ pattern: String, in text: String) -> Bool {
    let expression = try! NSRegularExpression(pattern: pattern)
    return expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
  }

  private func isOf(_ type: String, _ value: JSONValue) -> Bool {
    switch type {
    case "null": value.isNull
    case "boolean": value.bool != nil
    case "string": value.string != nil
    case "array": value.array != nil
    case "object": value.object != nil
    case "number": value.number != nil
    case "integer": value.double.map { $0 == $0.rounded() } ?? false
    default: false
    }
  }

  private func same(_ a: JSONValue, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.number(let a), .number(let b)): a.double == b.double
    case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { same($0, $1) }
    case (.object(let a), .object(let b)):
      a.count == b.count && a.members.allSatisfy { name, value in b[name].map { same(value, $0) } ?? false }
    default: a == b
    }
  }

  private func resolve(_ reference: String) -> JSONValue {
    var value = root
    for part in reference.split(separator: "/").dropFirst() {
      value = value.array.map { $0[Int(part)!] } ?? value[String(part)]!
    }
    return value
  }
}
