/// A filter's use: what it works on, and with what.
struct FilterCall {
  let value: Value
  let arguments: Arguments
  let context: Rendering

  /// The values for the filter's parameters `names`, nil where none is given.
  func bind(_ filter: String, _ names: [String]) throws(ChatTemplateError) -> [Value?] {
    try arguments.bind(filter, names, context)
  }
}

typealias Filter = @Sendable (FilterCall) -> () throws(ChatTemplateError) -> Value

/// The filters a template can name.
enum Filters {
  static let all: [String: Filter] = [
    "abs": FilterCall.absolute, "batch": FilterCall.batch, "capitalize": FilterCall.casing("capitalize"),
    "center": FilterCall.center, "count": FilterCall.length, "d": FilterCall.defaulted, "default": FilterCall.defaulted,
    "dictsort": FilterCall.dictsort, "e": FilterCall.escape, "escape": FilterCall.escape, "first": FilterCall.first,
    "float": FilterCall.float, "format": FilterCall.format, "indent": FilterCall.indent, "int": FilterCall.int,
    "items": FilterCall.items, "join": FilterCall.join, "last": FilterCall.last, "length": FilterCall.length,
    "list": FilterCall.list, "lower": FilterCall.casing("lower"), "map": FilterCall.map,
    "max": FilterCall.extreme(isMax: true), "min": FilterCall.extreme(isMax: false),
    "reject": FilterCall.selecting(byAttribute: false, keeps: false),
    "rejectattr": FilterCall.selecting(byAttribute: true, keeps: false), "replace": FilterCall.replace,
    "reverse": FilterCall.reverse, "round": FilterCall.round, "safe": FilterCall.safe,
    "select": FilterCall.selecting(byAttribute: false, keeps: true),
    "selectattr": FilterCall.selecting(byAttribute: true, keeps: true), "slice": FilterCall.slice,
    "sort": FilterCall.sort, "string": FilterCall.string, "sum": FilterCall.sum, "title": FilterCall.title,
    "tojson": FilterCall.tojson, "trim": FilterCall.trim, "truncate": FilterCall.truncate, "unique": FilterCall.unique,
    "upper": FilterCall.casing("upper"), "wordcount": FilterCall.wordcount,
  ]
}

extension FilterCall {
  func tojson() throws(ChatTemplateError) -> Value { try context.json(value, arguments) }
}

extension Rendering {
  func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    guard let filter = Filters.all[name] else { throw .unknownFilter(name, line: line) }
    try enter()
    defer { leave() }
    return try filter(FilterCall(value: value, arguments: arguments, context: self))()
  }

  /// The value at a path such as `function.name` or `0` in `item`, as filters' `attribute` looks it up.
  func value(atPath path: Value?, of item: Value, default fallback: Value? = nil) throws(ChatTemplateError) -> Value {
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
