/// The tests a template can name after `is`.
enum Tests {
  static let names: Set<String> = [
    "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "none", "boolean", "false", "true",
    "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable",
    "sameas", "escaped", "in",
  ]

  static let comparisons: [String: ComparisonOperator] = [
    "==": .equal, "eq": .equal, "equalto": .equal, "!=": .notEqual, "ne": .notEqual, ">": .greater, "gt": .greater,
    "greaterthan": .greater, "ge": .greaterOrEqual, ">=": .greaterOrEqual, "<": .less, "lt": .less,
    "lessthan": .less, "<=": .lessOrEqual, "le": .lessOrEqual,
  ]

  static func isKnown(_ name: String) -> Bool { names.contains(name) || comparisons[name] != nil }
}

extension Rendering {
  func test(_ name: String, _ value: Value, _ arguments: Arguments) throws(ChatTemplateError) -> Bool {
    if let op = Tests.comparisons[name] { return try compare(op, value, try operand(name, arguments)) }
    switch name {
    case "in": return try contains(try operand(name, arguments), value)
    case "sameas": return try isSame(value, try operand(name, arguments))
    case "divisibleby": return try remainder(of: value, by: try operand(name, arguments)) == 0
    default: break
    }
    guard Tests.names.contains(name) else { throw .unknownTest(name, line: line) }
    _ = try arguments.bind("the test '\(name)'", [], self)
    switch (name, value) {
    case ("odd", _): return try remainder(of: value, by: .integer(2)) == 1
    case ("even", _): return try remainder(of: value, by: .integer(2)) == 0
    case ("defined", _): return !value.isUndefined
    case ("undefined", _): return value.isUndefined
    case ("filter", _): return value.text.map { Filters.all[$0] != nil } ?? false
    case ("test", _): return value.text.map(Tests.isKnown) ?? false
    case ("none", .none), ("boolean", .bool), ("false", .bool(false)), ("true", .bool(true)), ("float", .float),
      ("mapping", .dict), ("escaped", .markup), ("string", .string), ("string", .markup), ("integer", .integer),
      ("integer", .bigInteger), ("number", .integer), ("number", .bigInteger), ("number", .float),
      ("number", .bool):
      return true
    case ("lower", _): return try isCased("islower", value)
    case ("upper", _): return try isCased("isupper", value)
    case ("sequence", .list), ("sequence", .tuple), ("sequence", .dict), ("sequence", .range),
      ("sequence", .string), ("sequence", .markup), ("sequence", .undefined):
      return true
    case ("iterable", _): return isIterable(value)
    case ("callable", .macro), ("callable", .function), ("callable", .method), ("callable", .undefined),
      ("callable", .loop):
      return true
    default: return false
    }
  }

  private func operand(_ name: String, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    guard arguments.keyword.isEmpty, arguments.positional.count == 1 else {
      throw refused("the test '\(name)' takes one argument")
    }
    return arguments.positional[0]
  }

  private func isIterable(_ value: Value) -> Bool {
    switch value {
    case .undefined, .list, .tuple, .dict, .view, .range, .iterator, .string, .markup, .loop: true
    default: false
    }
  }

  private func isCased(_ method: String, _ value: Value) throws(ChatTemplateError) -> Bool {
    try StringMethods.call(method, try string(of: value), Arguments(), self).isTrue
  }

  private func remainder(of value: Value, by divisor: Value) throws(ChatTemplateError) -> Double? {
    try apply(.modulo, value, divisor).number
  }

  /// Python's `is`: singletons and containers are themselves only; equal small values pass for the same one.
  private func isSame(_ a: Value, _ b: Value) throws(ChatTemplateError) -> Bool {
    switch (a, b) {
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)): return x === y
    case (.dict(let x), .dict(let y)): return x === y
    case (.bool(let x), .bool(let y)): return x == y
    case (.bool, _), (_, .bool), (.undefined, _), (_, .undefined): return false
    case (.integer, .float), (.float, .integer): return false
    default: return try equal(a, b)
    }
  }
}
