typealias Filter = @Sendable (Value, Arguments, Rendering) throws(ChatTemplateError) -> Value

/// The filters a template can name.
enum Filters {
  static let all: [String: Filter] = [
    "abs": absolute, "batch": batch, "capitalize": casing("capitalize"), "center": center,
    "count": length, "d": defaulted, "default": defaulted, "dictsort": dictsort, "e": escape, "escape": escape,
    "first": first, "float": float, "format": format, "indent": indent, "int": int, "items": items, "join": join,
    "last": last, "length": length, "list": list, "lower": casing("lower"), "map": map,
    "max": extreme(isMax: true), "min": extreme(isMax: false),
    "reject": selecting(byAttribute: false, keeps: false),
    "rejectattr": selecting(byAttribute: true, keeps: false),
    "replace": replace, "reverse": reverse, "round": round, "safe": safe,
    "select": selecting(byAttribute: false, keeps: true),
    "selectattr": selecting(byAttribute: true, keeps: true),
    "slice": slice, "sort": sort, "string": string, "sum": sum, "title": title,
    "tojson": tojson,
    "trim": trim, "truncate": truncate, "unique": unique, "upper": casing("upper"),
    "wordcount": wordcount,
  ]

  @Sendable static func tojson(
    _ value: Value, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    try context.json(value, arguments)
  }
}

extension Rendering {
  func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    guard let filter = Filters.all[name] else { throw .unknownFilter(name, line: line) }
    try enter()
    defer { leave() }
    return try filter(value, arguments, self)
  }

  /// The value at a path such as `function.name` or `0` in `item`, as filters' `attribute` looks it up.
  func value(
    atPath path: Value?, of item: Value, default fallback: Value? = nil
  ) throws(ChatTemplateError) -> Value {
    guard let path, !path.isNone else { return item }
    var value = item
    for part in Self.parts(ofPath: path) {
      value = try self.item(part, of: value)
      if let fallback, value.isUndefined { value = fallback }
    }
    return value
  }

  private static func parts(ofPath path: Value) -> [Value] {
    guard let text = path.text else { return [path] }
    return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { part in
      let name = String(decoding: part, as: UTF8.self)
      let isIndex = !part.isEmpty && part.allSatisfy { $0 >= 48 && $0 <= 57 }
      return (isIndex ? Int(name).map { .integer($0) } : nil) ?? .string(name)
    }
  }

  /// Strings in lower case, so that sorting and comparing ignore case; anything else as it is.
  func ignoringCase(_ value: Value) throws(ChatTemplateError) -> Value {
    guard let text = value.text else { return value }
    return try self.text(try StringMethods.cased("lower", text, self))
  }

  /// The string a filter works on: `str(value)`, still marked if it was.
  func soft(_ value: Value, _ change: (String) -> String) throws(ChatTemplateError) -> Value {
    let changed = change(try string(of: value))
    try allocate(changed.utf8.count)
    if case .markup = value { return .markup(changed) }
    return .string(changed)
  }
}
