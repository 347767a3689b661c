import Bytes

extension Rendering {
  /// `str(value)`, which is also what `{{ }}` prints.
  func string(of value: Value) throws(ChatTemplateError) -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .undefined: return ""
    case .integer(let integer): return String(integer)
    default:
      var out = ""
      try writeRepr(of: value, into: &out)
      try allocate(out.utf8.count)
      return out
    }
  }

  /// `repr(value)`.
  func repr(of value: Value) throws(ChatTemplateError) -> String {
    var out = ""
    try writeRepr(of: value, into: &out)
    try allocate(out.utf8.count)
    return out
  }

  private func writeRepr(of value: Value, into out: inout String) throws(ChatTemplateError) {
    try step()
    try checkValueSize(out.utf8.count)
    switch value {
    case .undefined: out += "Undefined"
    case .none: out += "None"
    case .bool(let flag): out += flag ? "True" : "False"
    case .integer(let integer): out += String(integer)
    case .bigInteger(let text): out += text
    case .float(let float): out += PythonNumbers.repr(float)
    case .string(let text): try writeRepr(of: text, into: &out)
    case .markup(let text):
      out += "Markup("
      try writeRepr(of: text, into: &out)
      out += ")"
    case .list(let storage): try writeRepr(of: storage.items, "[", "]", into: &out)
    case .tuple(let storage):
      try writeRepr(of: storage.items, "(", storage.items.count == 1 ? ",)" : ")", into: &out)
    case .dict(let dict): try writeRepr(of: dict.keys, dict.values, into: &out)
    case .view(let view):
      out += view.kind.rawValue + "("
      try writeRepr(of: view.items, "[", "]", into: &out)
      out += ")"
    case .range(let range):
      out += "range(\(range.start), \(range.stop)" + (range.step == 1 ? ")" : ", \(range.step))")
    case .namespace(let namespace):
      out += "<Namespace "
      try writeRepr(of: namespace.attributes.keys, namespace.attributes.values, into: &out)
      out += ">"
    case .loop(let loop): out += "<LoopContext \(loop.index0 + 1)/\(try length(of: loop))>"
    case .macro(let macro): out += "<Macro \(macro.definition.name.map { "'\($0)'" } ?? "anonymous")>"
    case .iterator: out += "<generator object>"
    case .function(let function): out += "<function \(function.rawValue)>"
    case .method(let method):
      out += "<built-in method \(method.name) of \(method.receiver.typeName) object>"
    }
  }

  private func writeRepr(
    of items: [Value], _ open: String, _ close: String, into out: inout String
  ) throws(ChatTemplateError) {
    try enter()
    defer { leave() }
    out += open
    for (i, item) in items.enumerated() {
      if i > 0 { out += ", " }
      try writeRepr(of: item, into: &out)
    }
    out += close
  }

  private func writeRepr(of keys: [Value], _ values: [Value], into out: inout String) throws(ChatTemplateError) {
    try enter()
    defer { leave() }
    out += "{"
    for i in keys.indices {
      if i > 0 { out += ", " }
      try writeRepr(of: keys[i], into: &out)
      out += ": "
      try writeRepr(of: values[i], into: &out)
    }
    out += "}"
  }

  /// A string in the quotes and escapes Python's `repr` chooses.
  private func writeRepr(of text: String, into out: inout String) throws(ChatTemplateError) {
    try walk(text.utf8.count * 8)
    let quote: Unicode.Scalar =
      text.utf8.contains(UInt8(ascii: "'")) && !text.utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
    out.unicodeScalars.append(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case quote, "\\":
        out += "\\"
        out.unicodeScalars.append(scalar)
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      default:
        if scalar.isPythonPrintable {
          out.unicodeScalars.append(scalar)
        } else {
          let (mark, count) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
          out += "\\" + mark + Digits.hexadecimal(scalar.value, count: count)
        }
      }
    }
    out.unicodeScalars.append(quote)
  }
}
