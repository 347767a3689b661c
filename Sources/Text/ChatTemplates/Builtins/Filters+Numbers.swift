extension FilterCall {
  func int() throws(ChatTemplateError) -> Value {
    let given = try bind("int", ["default", "base"])
    let fallback = given[0] ?? .integer(0)
    let base = try context.integer(given[1] ?? .integer(10), "base")
    func truncated(_ float: Double) throws(ChatTemplateError) -> Value {
      guard float.isFinite else { return fallback }
      guard let integer = Int(exactly: float.rounded(.towardZero)) else { throw context.overflow() }
      return .integer(integer)
    }
    switch value {
    case .undefined: throw context.refusal(of: value, "")
    case .bigInteger: return value
    case .string(let text), .markup(let text):
      try context.walk(text.utf8.count)
      if let integer = PythonNumbers.integer(text, base: base) { return .integer(integer) }
      guard let float = PythonNumbers.float(text) else { return fallback }
      return try truncated(float)
    case .float(let float): return try truncated(float)
    default: return value.integer.map { .integer($0) } ?? fallback
    }
  }

  func float() throws(ChatTemplateError) -> Value {
    let given = try bind("float", ["default"])
    let fallback = given[0] ?? .float(0)
    switch value {
    case .undefined: throw context.refusal(of: value, "")
    case .bigInteger(let text): return PythonNumbers.float(text).map { .float($0) } ?? fallback
    case .string(let text), .markup(let text):
      try context.walk(text.utf8.count)
      return PythonNumbers.float(text).map { .float($0) } ?? fallback
    default: return value.number.map { .float($0) } ?? fallback
    }
  }

  func absolute() throws(ChatTemplateError) -> Value {
    _ = try bind("abs", [])
    if case .float(let float) = value { return .float(float.magnitude) }
    guard let integer = value.integer else {
      throw context.refusal(of: value, "bad operand type for abs(): '\(value.typeName)'")
    }
    guard integer != .min else { throw context.overflow() }
    return .integer(abs(integer))
  }

  func round() throws(ChatTemplateError) -> Value {
    let given = try bind("round", ["precision", "method"])
    let precision = try context.integer(given[0] ?? .integer(0), "round's precision")
    let method = if let value = given[1] { try context.text(value, "round's method") } else { "common" }
    guard ["common", "ceil", "floor"].contains(method) else {
      throw context.refused("method must be common, ceil or floor")
    }
    guard let number = value.number else {
      throw context.refusal(of: value, "type \(value.typeName) doesn't define __round__ method")
    }
    guard (-308...308).contains(precision) else { throw context.refused("round's precision is out of range") }
    if method != "common" {
      // Python divides an integer by 10**precision exactly when precision is 0.
      let scale = try context.apply(.power, .integer(10), .integer(precision)).number ?? 1
      let rounded = (number * scale).rounded(method == "ceil" ? .up : .down)
      guard rounded.magnitude < 0x1p63 else { throw context.overflow() }
      return .float(rounded / scale)
    }
    if case .float(let float) = value {
      guard float.isFinite else { return value }
      if precision >= 0 { return .float(Double(PythonNumbers.fixed(float, precision: precision)) ?? float) }
      guard let integer = Int(exactly: float.rounded(.towardZero)) else {
        throw .unsupported("rounding a number this large", line: context.line)
      }
      return .float(Double(try roundedInteger(integer, to: -precision)))
    }
    let integer = try context.integer(value, "round's operand")
    return .integer(precision >= 0 ? integer : try roundedInteger(integer, to: -precision))
  }

  /// `integer` rounded half to even to a multiple of 10 to the `digits`.
  private func roundedInteger(_ integer: Int, to digits: Int) throws(ChatTemplateError) -> Int {
    guard digits < 19 else { return 0 }
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    let remainder = ((integer % unit) + unit) % unit
    let below = integer - remainder
    let roundsUp = remainder > unit - remainder || (remainder == unit - remainder && (below / unit) % 2 != 0)
    let (up, overflow) = below.addingReportingOverflow(unit)
    guard !roundsUp || !overflow else { throw context.overflow() }
    return roundsUp ? up : below
  }

  func sum() throws(ChatTemplateError) -> Value {
    let given = try bind("sum", ["attribute", "start"])
    var total = given[1] ?? .integer(0)
    if total.text != nil { throw context.refused("sum() can't sum strings") }
    for item in try context.items(of: value) {
      total = try context.apply(.add, total, try context.value(atPath: given[0], of: item))
    }
    return total
  }

  static func extreme(isMax: Bool) -> Filter {
    { call in { () throws(ChatTemplateError) in try call.extreme(isMax: isMax) } }
  }

  private func extreme(isMax: Bool) throws(ChatTemplateError) -> Value {
    let given = try bind(isMax ? "max" : "min", ["case_sensitive", "attribute"])
    var best: (item: Value, key: Value)?
    for item in try context.items(of: value) {
      let path = try context.value(atPath: given[1], of: item)
      let key = given[0]?.isTrue ?? false ? path : try context.ignoringCase(path)
      guard let current = best else {
        best = (item, key)
        continue
      }
      if try context.compare(isMax ? .greater : .less, key, current.key) { best = (item, key) }
    }
    return best?.item ?? .undefined(message: "No aggregated item, sequence was empty.")
  }
}
