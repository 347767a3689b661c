#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Rendering {
  func apply(_ op: BinaryOperator, _ a: Value, _ b: Value) throws(ChatTemplateError) -> Value {
    if case .undefined = a { throw refusal(of: a, "") }
    if case .undefined = b { throw refusal(of: b, "") }
    if let x = a.integer, let y = b.integer { return try integers(op, x, y) }
    if let x = a.number, let y = b.number { return try floats(op, x, y) }
    switch op {
    case .add: return try add(a, b)
    case .multiply:
      if let count = b.integer { return try repeated(a, count, b) }
      if let count = a.integer { return try repeated(b, count, a) }
      throw unsupported(op, a, b)
    case .modulo:
      guard let format = a.text else { throw unsupported(op, a, b) }
      return try percentFormat(format, b)
    default: throw unsupported(op, a, b)
    }
  }

  private func unsupported(_ op: BinaryOperator, _ a: Value, _ b: Value) -> ChatTemplateError {
    if case .bigInteger(let text) = a { return refused("the integer \(text) does not fit in 64 bits") }
    if case .bigInteger(let text) = b { return refused("the integer \(text) does not fit in 64 bits") }
    return refused("unsupported operand type(s) for \(op.rawValue): '\(a.typeName)' and '\(b.typeName)'")
  }

  private func add(_ a: Value, _ b: Value) throws(ChatTemplateError) -> Value {
    switch (a, b) {
    case (.string(let x), .string(let y)):
      try allocate(x.utf8.count + y.utf8.count)
      return .string(x + y)
    case (.markup(let x), .markup(let y)):
      try allocate(x.utf8.count + y.utf8.count)
      return .markup(x + y)
    case (.markup(let x), .string(let y)): return .markup(x + (try escaped(y)))
    case (.string(let x), .markup(let y)): return .markup(try escaped(x) + y)
    case (.list(let x), .list(let y)): return try list(x.items + y.items)
    case (.tuple(let x), .tuple(let y)): return try tuple(x.items + y.items)
    case (.string, _):
      throw refused("can only concatenate str (not \"\(b.typeName)\") to str")
    default: throw unsupported(.add, a, b)
    }
  }

  /// `text` with HTML's special characters escaped.
  func escaped(_ text: String) throws(ChatTemplateError) -> String {
    try walk(text.utf8.count * 4)
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&#34;"
      case "'": out += "&#39;"
      default: out.unicodeScalars.append(scalar)
      }
    }
    try allocate(out.utf8.count)
    return out
  }

  private func repeated(_ value: Value, _ count: Int, _ factor: Value) throws(ChatTemplateError) -> Value {
    let times = max(0, count)
    func reserve(_ size: Int, _ unit: Int) throws(ChatTemplateError) {
      let (bytes, overflow) = (size * unit).multipliedReportingOverflow(by: times)
      try allocate(overflow ? limits.valueByteCount &+ 1 : bytes)
    }
    switch value {
    case .string(let text), .markup(let text):
      try reserve(text.utf8.count, 1)
      let product = text.isEmpty ? "" : String(repeating: text, count: times)
      if case .markup = value { return .markup(product) }
      return .string(product)
    case .list(let storage), .tuple(let storage):
      try reserve(storage.items.count, 16)
      var items: [Value] = []
      if !storage.items.isEmpty { for _ in 0..<times { items += storage.items } }
      if case .list = value { return try list(items) }
      return try tuple(items)
    default: throw unsupported(.multiply, value, factor)
    }
  }

  private func integers(_ op: BinaryOperator, _ x: Int, _ y: Int) throws(ChatTemplateError) -> Value {
    let result: (partialValue: Int, overflow: Bool)
    switch op {
    case .add: result = x.addingReportingOverflow(y)
    case .subtract: result = x.subtractingReportingOverflow(y)
    case .multiply: result = x.multipliedReportingOverflow(by: y)
    case .divide:
      guard y != 0 else { throw refused("division by zero") }
      return .float(Double(x) / Double(y))
    case .floorDivide, .modulo:
      guard y != 0 else { throw refused("integer division or modulo by zero") }
      if y == -1 {
        if op == .modulo { return .integer(0) }
        result = (0).subtractingReportingOverflow(x)
      } else {
        let adjusts = x % y != 0 && (x % y < 0) != (y < 0)
        return .integer(op == .modulo ? x % y + (adjusts ? y : 0) : x / y - (adjusts ? 1 : 0))
      }
    case .power: return try power(x, y)
    }
    guard !result.overflow else { throw overflow() }
    return .integer(result.partialValue)
  }

  private func power(_ base: Int, _ exponent: Int) throws(ChatTemplateError) -> Value {
    guard exponent >= 0 else { return try floats(.power, Double(base), Double(exponent)) }
    if base == 0 || base == 1 { return .integer(exponent == 0 ? 1 : base) }
    if base == -1 { return .integer(exponent % 2 == 0 ? 1 : -1) }
    guard exponent < 64 else { throw overflow() }
    var value = 1
    for _ in 0..<exponent {
      let (product, overflows) = value.multipliedReportingOverflow(by: base)
      guard !overflows else { throw overflow() }
      value = product
    }
    return .integer(value)
  }

  private func floats(_ op: BinaryOperator, _ x: Double, _ y: Double) throws(ChatTemplateError) -> Value {
    switch op {
    case .add: return .float(x + y)
    case .subtract: return .float(x - y)
    case .multiply: return .float(x * y)
    case .divide:
      guard y != 0 else { throw refused("float division by zero") }
      return .float(x / y)
    case .floorDivide, .modulo:
      guard y != 0 else { throw refused("float floor division by zero") }
      // CPython's float_divmod: the remainder takes the divisor's sign, the quotient is snapped to an integer.
      var remainder = fmod(x, y)
      var quotient = (x - remainder) / y
      if remainder != 0 {
        if (y < 0) != (remainder < 0) {
          remainder += y
          quotient -= 1
        }
      } else {
        remainder = Double(signOf: y, magnitudeOf: 0)
      }
      if op == .modulo { return .float(remainder) }
      guard quotient != 0 else { return .float(Double(signOf: x / y, magnitudeOf: 0)) }
      let floored = quotient.rounded(.down)
      return .float(quotient - floored > 0.5 ? floored + 1 : floored)
    case .power:
      guard x != 0 || y >= 0 else { throw refused("0.0 cannot be raised to a negative power") }
      guard x >= 0 || y.rounded() == y || x.isInfinite else { throw refused("the power would be a complex number") }
      let value = pow(x, y)
      guard value.isFinite || !x.isFinite || !y.isFinite else { throw refused("numerical result out of range") }
      return .float(value)
    }
  }
}
