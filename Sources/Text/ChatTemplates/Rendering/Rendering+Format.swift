/// The parts of a format specification that `%` and `str.format` share.
struct FormatSpecification {
  var fill: Unicode.Scalar = " "
  var alignment: Unicode.Scalar?
  var sign: Unicode.Scalar = "-"
  var isAlternate = false
  var groups = false
  var width = 0
  var precision: Int?
  var type: Unicode.Scalar?
}

extension Rendering {
  /// `format % value`.
  func percentFormat(_ format: String, _ value: Value) throws(ChatTemplateError) -> Value {
    let scalars = Array(format.unicodeScalars)
    try walk(scalars.count * 8)
    var positional: [Value] = [value]
    if case .tuple(let storage) = value { positional = storage.items }
    var next = 0
    var out = ""
    var i = 0
    func take() throws(ChatTemplateError) -> Value {
      guard next < positional.count else { throw refused("not enough arguments for format string") }
      next += 1
      return positional[next - 1]
    }
    while i < scalars.count {
      guard scalars[i] == "%" else {
        out.unicodeScalars.append(scalars[i])
        i += 1
        continue
      }
      i += 1
      var argument: Value?
      if i < scalars.count, scalars[i] == "(" {
        guard let close = scalars[i...].firstIndex(of: ")"), case .dict(let dict) = value else {
          throw refused("format requires a mapping")
        }
        let name = String(scalars: scalars[(i + 1)..<close])
        guard let found = dict.value(of: name) else { throw refused("the format's mapping has no '\(name)'") }
        argument = found
        next = positional.count
        i = close + 1
      }
      var specification = FormatSpecification()
      var leftAligned = false
      while i < scalars.count, "-+ #0".unicodeScalars.contains(scalars[i]) {
        switch scalars[i] {
        case "-": leftAligned = true
        case "#": specification.isAlternate = true
        case "0": specification.fill = "0"
        default: specification.sign = specification.sign == "+" ? "+" : scalars[i]
        }
        i += 1
      }
      specification.width = try readNumber(scalars, &i) ?? 0
      if i < scalars.count, scalars[i] == "." {
        i += 1
        specification.precision = try readNumber(scalars, &i) ?? 0
      }
      guard i < scalars.count else { throw refused("incomplete format") }
      let type = scalars[i]
      i += 1
      if type == "%" {
        out += "%"
        continue
      }
      let operand: Value
      if let argument { operand = argument } else { operand = try take() }
      out += try percentConverted(operand, type, &specification, leftAligned: leftAligned)
      try checkValueSize(out.utf8.count)
    }
    switch value {
    case .dict, .list: break
    default:
      guard next >= positional.count else { throw refused("not all arguments converted during string formatting") }
    }
    return try text(out)
  }

  private func percentConverted(
    _ value: Value, _ type: Unicode.Scalar, _ specification: inout FormatSpecification, leftAligned: Bool
  ) throws(ChatTemplateError) -> String {
    switch type {
    case "s", "r":
      specification.fill = " "
      specification.alignment = leftAligned ? "<" : ">"
      let text = type == "s" ? try string(of: value) : try repr(of: value)
      return try formatted(text, specification)
    case "d", "i", "u", "x", "X", "o", "f", "F":
      specification.type = type == "i" || type == "u" ? "d" : type
      specification.alignment = leftAligned ? "<" : specification.fill == "0" ? "=" : ">"
      if leftAligned { specification.fill = " " }
      var number = value
      if specification.type == "d", case .float(let float) = value {
        guard let integer = Int(exactly: float.rounded(.towardZero)) else { throw overflow() }
        number = .integer(integer)
      }
      guard number.number != nil else {
        throw refusal(of: value, "%\(type) format: a number is required, not \(value.typeName)")
      }
      return try formattedNumber(number, specification)
    default: throw .unsupported("the conversion '%\(type)'", line: line)
    }
  }

  /// Digits at `i`, if any; a width no value could have is refused.
  private func readNumber(_ scalars: [Unicode.Scalar], _ i: inout Int) throws(ChatTemplateError) -> Int? {
    var value: Int?
    while i < scalars.count, scalars[i].isASCIIDigit {
      let (tens, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
      guard !overflow, tens < Int.max - 9 else { throw overflowingWidth() }
      value = tens + Int(scalars[i].value - 48)
      i += 1
    }
    if let value, value > limits.valueByteCount { throw overflowingWidth() }
    return value
  }

  private func overflowingWidth() -> ChatTemplateError {
    .limitExceeded(.valueBytes, limit: limits.valueByteCount, line: line)
  }

  /// `format(value, specification)` for a specification such as `>8`, `,` or `.2f`.
  func formatted(_ value: Value, _ text: String) throws(ChatTemplateError) -> String {
    if text.isEmpty { return try string(of: value) }
    let specification = try parse(text)
    if let string = value.text {
      guard specification.type == nil || specification.type == "s" else {
        throw refused("format code '\(text)' does not fit a str")
      }
      return try formatted(string, specification)
    }
    guard value.number != nil else { throw refusal(of: value, "a format code cannot be used with \(value.typeName)") }
    return try formattedNumber(value, specification)
  }

  private func parse(_ text: String) throws(ChatTemplateError) -> FormatSpecification {
    let scalars = Array(text.unicodeScalars)
    var specification = FormatSpecification()
    var i = 0
    func isAlignment(_ index: Int) -> Bool { index < scalars.count && "<>^=".unicodeScalars.contains(scalars[index]) }
    if isAlignment(1) {
      specification.fill = scalars[0]
      specification.alignment = scalars[1]
      i = 2
    } else if isAlignment(0) {
      specification.alignment = scalars[0]
      i = 1
    }
    if i < scalars.count, "+- ".unicodeScalars.contains(scalars[i]) {
      specification.sign = scalars[i]
      i += 1
    }
    if i < scalars.count, scalars[i] == "#" {
      specification.isAlternate = true
      i += 1
    }
    if i < scalars.count, scalars[i] == "0" {
      specification.fill = "0"
      specification.alignment = specification.alignment ?? "="
      i += 1
    }
    specification.width = try readNumber(scalars, &i) ?? 0
    if i < scalars.count, scalars[i] == "," {
      specification.groups = true
      i += 1
    }
    if i < scalars.count, scalars[i] == "." {
      i += 1
      guard let precision = try readNumber(scalars, &i) else { throw refused("format specifier has no precision") }
      specification.precision = precision
    }
    if i < scalars.count {
      specification.type = scalars[i]
      i += 1
    }
    guard i == scalars.count else { throw refused("invalid format specifier '\(text)'") }
    return specification
  }

  private func formatted(_ text: String, _ specification: FormatSpecification) throws(ChatTemplateError) -> String {
    guard specification.alignment != "=" else { throw refused("'=' alignment is not allowed for strings") }
    var text = text
    if let precision = specification.precision { text = String(scalars: text.unicodeScalars.prefix(precision)) }
    return try padded("", text, specification, alignment: specification.alignment ?? "<")
  }

  private func formattedNumber(
    _ value: Value, _ specification: FormatSpecification
  ) throws(ChatTemplateError) -> String {
    var digits: String
    var isNegative: Bool
    switch (value, specification.type) {
    case (.float(let float), nil) where specification.precision == nil:
      digits = PythonNumbers.repr(float.magnitude)
      isNegative = float.sign == .minus
    case (_, "f"), (_, "F"):
      let float = value.number ?? 0
      let precision = specification.precision ?? 6
      try allocate(precision + 320)
      digits = PythonNumbers.fixed(float.magnitude, precision: precision)
      isNegative = float.sign == .minus
    case (_, nil), (_, "d"), (_, "x"), (_, "X"), (_, "o"), (_, "b"):
      guard let integer = value.integer else { throw .unsupported("this number format", line: line) }
      if value.integer != nil, specification.precision != nil { throw refused("precision not allowed for integers") }
      let radixes: [Unicode.Scalar: Int] = ["x": 16, "X": 16, "o": 8, "b": 2]
      let radix = specification.type.flatMap { radixes[$0] } ?? 10
      digits = String(integer.magnitude, radix: radix, uppercase: specification.type == "X")
      isNegative = integer < 0
      if specification.isAlternate, radix != 10, let type = specification.type { digits = "0\(type)" + digits }
    default: throw .unsupported("this number format", line: line)
    }
    if specification.groups { digits = Self.grouped(digits) }
    let sign = isNegative ? "-" : specification.sign == "-" ? "" : String(specification.sign)
    return try padded(sign, digits, specification, alignment: specification.alignment ?? ">")
  }

  /// The whole part of `digits` with a comma before every third digit from its end.
  private static func grouped(_ digits: String) -> String {
    let whole = digits.utf8.prefix { $0 != UInt8(ascii: ".") }
    var bytes: [UInt8] = []
    for (i, byte) in whole.enumerated() {
      if i > 0, (whole.count - i) % 3 == 0 { bytes.append(UInt8(ascii: ",")) }
      bytes.append(byte)
    }
    return String(decoding: bytes + digits.utf8.dropFirst(whole.count), as: UTF8.self)
  }

  private func padded(
    _ sign: String, _ body: String, _ specification: FormatSpecification, alignment: Unicode.Scalar
  ) throws(ChatTemplateError) -> String {
    let missing = specification.width - sign.unicodeScalars.count - body.unicodeScalars.count
    guard missing > 0 else { return sign + body }
    try allocate(missing * 4)
    func fill(_ count: Int) -> String { String(scalars: repeatElement(specification.fill, count: count)) }
    switch alignment {
    case "<": return sign + body + fill(missing)
    case ">": return fill(missing) + sign + body
    case "^": return fill(missing / 2) + sign + body + fill(missing - missing / 2)
    default: return sign + fill(missing) + body
    }
  }

  /// `text.format(...)`; fields go through the same attribute and item look-ups as expressions.
  func format(_ text: String, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    let scalars = Array(text.unicodeScalars)
    try walk(scalars.count * 8)
    var out = ""
    var automatic = 0
    var i = 0
    while i < scalars.count {
      let scalar = scalars[i]
      i += 1
      guard scalar == "{" || scalar == "}" else {
        out.unicodeScalars.append(scalar)
        continue
      }
      if i < scalars.count, scalars[i] == scalar {
        out.unicodeScalars.append(scalar)
        i += 1
        continue
      }
      guard scalar == "{", let close = scalars[i...].firstIndex(of: "}") else {
        throw refused("single '\(scalar)' in a format string")
      }
      let field = scalars[i..<close]
      guard !field.contains("{") else { throw .unsupported("a format field inside another", line: line) }
      i = close + 1
      let nameEnd = field.firstIndex { $0 == "!" || $0 == ":" } ?? close
      var value = try formatField(Array(field[..<nameEnd]), arguments, &automatic)
      var rest = field[nameEnd...]
      if rest.first == "!" {
        guard let conversion = rest.dropFirst().first, conversion == "r" || conversion == "s" else {
          throw .unsupported("a conversion other than !r and !s", line: line)
        }
        value = .string(conversion == "r" ? try repr(of: value) : try string(of: value))
        rest = rest.dropFirst(2)
      }
      guard rest.isEmpty || rest.first == ":" else { throw refused("expected ':' after a format conversion") }
      out += try formatted(value, String(scalars: rest.dropFirst()))
      try checkValueSize(out.utf8.count)
    }
    return try self.text(out)
  }

  private func formatField(
    _ name: [Unicode.Scalar], _ arguments: Arguments, _ automatic: inout Int
  ) throws(ChatTemplateError) -> Value {
    let firstEnd = name.firstIndex { $0 == "." || $0 == "[" } ?? name.count
    let first = String(scalars: name[..<firstEnd])
    var value: Value
    if first.isEmpty || first.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
      let index = first.isEmpty ? automatic : Int(first) ?? .max
      if first.isEmpty { automatic += 1 }
      guard index < arguments.positional.count else {
        throw refused("replacement index \(index) out of range for positional arguments")
      }
      value = arguments.positional[index]
    } else {
      guard let found = arguments.keyword.first(where: { $0.name.hasSameScalars(as: first) }) else {
        throw refused("format has no argument '\(first)'")
      }
      value = found.value
    }
    var i = firstEnd
    while i < name.count {
      if name[i] == "." {
        let end = name[(i + 1)...].firstIndex { $0 == "." || $0 == "[" } ?? name.count
        value = try attribute(String(scalars: name[(i + 1)..<end]), of: value)
        i = end
      } else {
        guard name[i] == "[", let end = name[i...].firstIndex(of: "]") else {
          throw refused("a format field is malformed")
        }
        let key = String(scalars: name[(i + 1)..<end])
        value = try item(Int(key).map { .integer($0) } ?? .string(key), of: value)
        i = end + 1
      }
    }
    return value
  }
}
