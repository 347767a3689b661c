import Bytes

/// The options of `json.dumps` that transformers' `tojson` passes on.
struct JSONStyle {
  var ensuresASCII = false
  var indent: String?
  var itemSeparator = ", "
  var keySeparator = ": "
  var sortsKeys = false
}

extension Rendering {
  /// `tojson` as transformers defines it: `json.dumps` without HTML escapes.
  func json(_ value: Value, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    let given = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"], self)
    var style = JSONStyle()
    style.ensuresASCII = given[0]?.isTrue ?? false
    style.sortsKeys = given[3]?.isTrue ?? false
    switch given[1] ?? .none {
    case .none: break
    case .string(let text), .markup(let text): style.indent = text
    case let width:
      guard let width = width.integer else { throw refused("tojson: indent must be an integer or a string") }
      try allocate(max(0, width))
      style.indent = String(repeating: " ", count: max(0, width))
    }
    if style.indent != nil { style.itemSeparator = "," }
    switch given[2] ?? .none {
    case .none: break
    case .list(let storage), .tuple(let storage):
      guard storage.items.count == 2, let item = storage.items[0].text, let key = storage.items[1].text else {
        throw refused("tojson: separators must be two strings")
      }
      style.itemSeparator = item
      style.keySeparator = key
    default: throw refused("tojson: separators must be two strings")
    }
    var out = ""
    try writeJSON(value, style, level: 0, into: &out)
    return try text(out)
  }

  private func writeJSON(
    _ value: Value, _ style: JSONStyle, level: Int, into out: inout String
  ) throws(ChatTemplateError) {
    try step()
    try checkValueSize(out.utf8.count)
    switch value {
    case .none: out += "null"
    case .bool(let flag): out += flag ? "true" : "false"
    case .integer(let integer): out += String(integer)
    case .bigInteger(let text): out += text
    case .float(let float): out += Self.jsonSpelling(float)
    case .string(let text), .markup(let text): try writeJSON(text, style, into: &out)
    case .list(let storage), .tuple(let storage):
      try writeJSONArray(storage.items, style, level: level, into: &out)
    case .dict(let dict): try writeJSONObject(dict, style, level: level, into: &out)
    default: throw refused("Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private static func jsonSpelling(_ value: Double) -> String {
    value.isFinite ? PythonNumbers.repr(value) : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
  }

  private func breakLine(_ style: JSONStyle, level: Int, into out: inout String) throws(ChatTemplateError) {
    guard let indent = style.indent else { return }
    try checkValueSize(out.utf8.count + indent.utf8.count * level)
    out += "\n"
    for _ in 0..<level { out += indent }
  }

  private func writeJSONArray(
    _ items: [Value], _ style: JSONStyle, level: Int, into out: inout String
  ) throws(ChatTemplateError) {
    guard !items.isEmpty else {
      out += "[]"
      return
    }
    try enter()
    defer { leave() }
    out += "["
    for (i, item) in items.enumerated() {
      if i > 0 { out += style.itemSeparator }
      try breakLine(style, level: level + 1, into: &out)
      try writeJSON(item, style, level: level + 1, into: &out)
    }
    try breakLine(style, level: level, into: &out)
    out += "]"
  }

  private func writeJSONObject(
    _ dict: DictStorage, _ style: JSONStyle, level: Int, into out: inout String
  ) throws(ChatTemplateError) {
    guard !dict.keys.isEmpty else {
      out += "{}"
      return
    }
    try enter()
    defer { leave() }
    var positions = Array(dict.keys.indices)
    if style.sortsKeys {
      let order = try sorted(positions.map { .integer($0) }, keys: dict.keys, reversed: false)
      positions = order.map { $0.integer ?? 0 }
    }
    out += "{"
    for (i, position) in positions.enumerated() {
      if i > 0 { out += style.itemSeparator }
      try breakLine(style, level: level + 1, into: &out)
      try writeJSON(try jsonKey(dict.keys[position]), style, into: &out)
      out += style.keySeparator
      try writeJSON(dict.values[position], style, level: level + 1, into: &out)
    }
    try breakLine(style, level: level, into: &out)
    out += "}"
  }

  private func jsonKey(_ key: Value) throws(ChatTemplateError) -> String {
    switch key {
    case .string(let text), .markup(let text), .bigInteger(let text): return text
    case .none: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .integer(let integer): return String(integer)
    case .float(let float): return Self.jsonSpelling(float)
    default: throw refused("keys must be str, int, float, bool or None, not \(key.typeName)")
    }
  }

  private func writeJSON(_ text: String, _ style: JSONStyle, into out: inout String) throws(ChatTemplateError) {
    try walk(text.utf8.count * 8)
    func escape(_ unit: UInt16) { out += "\\u" + Digits.hexadecimal(unit, count: 4) }
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{08}": out += "\\b"
      case "\u{0C}": out += "\\f"
      case "\u{0}"..<"\u{20}": escape(UInt16(scalar.value))
      default:
        if style.ensuresASCII, scalar.value > 0x7E {
          // json.dumps leaves U+007F alone: it is ASCII.
          if scalar.value == 0x7F { out.unicodeScalars.append(scalar) } else { UTF16.encode(scalar)?.forEach(escape) }
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    out += "\""
  }
}
