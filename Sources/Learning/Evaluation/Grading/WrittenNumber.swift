/// A number as a text spells it, kept in decimal digits: two of them are equal exactly, however long they are.
package struct WrittenNumber: Sendable, Equatable {
  /// In lowest form: no leading zeros before the point but one, none trailing after it, no `-0`.
  package let text: String
  package var double: Double { Double(text) ?? .nan }

  /// All numbers of a text, in order. Before the digits may stand a sign, a currency, or both; between them separators
  /// of thousands: a comma, an apostrophe, an underscore or a narrow space before each three digits. A sign after a
  /// digit, a letter or a bracket is an operator.
  package static func all(in text: some StringProtocol) -> [WrittenNumber] {
    let scalars = Array(text.unicodeScalars)
    var found: [WrittenNumber] = []
    var at = 0
    while at < scalars.count {
      guard isDigit(scalars[at]) || (isPoint(scalars, at) && !(at > 0 && isDigit(scalars[at - 1]))) else {
        at += 1
        continue
      }
      let isNegative = sign(scalars, before: at)
      if let number = scan(scalars, &at, isNegative: isNegative) { found.append(number) }
    }
    return found
  }

  /// The number that the whole text is, spaces and a currency aside.
  package init?(_ text: some StringProtocol) {
    let all = Self.all(in: text)
    guard all.count == 1 else { return nil }
    self = all[0]
  }

  private init(integer: [UInt8], fraction: [UInt8], exponent: Int, isNegative: Bool) {
    var digits = integer + fraction
    // The point's place in `digits`.
    var point = integer.count + exponent
    if point < 0 { (digits, point) = (Array(repeating: 0, count: -point) + digits, 0) }
    if point > digits.count { digits += Array(repeating: 0, count: point - digits.count) }
    let whole = digits[..<point].drop { $0 == 0 }
    var part = digits[point...]
    while part.last == 0 { part.removeLast() }
    func letters(_ digits: ArraySlice<UInt8>) -> String { String(decoding: digits.map { $0 + 48 }, as: UTF8.self) }
    let number = (whole.isEmpty ? "0" : letters(whole)) + (part.isEmpty ? "" : "." + letters(part))
    text = isNegative && number != "0" ? "-" + number : number
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  /// A point that begins a number: `.5`.
  private static func isPoint(_ scalars: [Unicode.Scalar], _ at: Int) -> Bool {
    scalars[at] == "." && at + 1 < scalars.count && isDigit(scalars[at + 1])
  }

  private static let currencies: Set<Unicode.Scalar> = ["$", "€", "£", "¥", "₹", "₩", "₽", "¢"]

  private static func sign(_ scalars: [Unicode.Scalar], before at: Int) -> Bool {
    var at = at - 1
    if at >= 0, currencies.contains(scalars[at]) { at -= 1 }
    guard at >= 0, scalars[at] == "-" || scalars[at] == "\u{2212}" else { return false }
    guard at > 0 else { return true }
    let before = scalars[at - 1]
    return !(isDigit(before) || before.properties.isAlphabetic || before == ")" || before == "]")
  }

  /// More digits after an exponent than any double has are cut off.
  private static let exponentLimit = 400

  private static func scan(_ scalars: [Unicode.Scalar], _ at: inout Int, isNegative: Bool) -> WrittenNumber? {
    func digit(_ index: Int) -> UInt8? {
      index < scalars.count && isDigit(scalars[index]) ? UInt8(scalars[index].value - 48) : nil
    }
    var (integer, fraction): ([UInt8], [UInt8]) = ([], [])
    while at < scalars.count {
      if let value = digit(at) {
        integer.append(value)
        at += 1
      } else if !integer.isEmpty, [",", "'", "_", "\u{202F}", "\u{2009}", "\u{2019}"].contains(scalars[at]),
        (1...3).allSatisfy({ digit(at + $0) != nil }), digit(at + 4) == nil
      {
        at += 1
      } else {
        break
      }
    }
    if isPointOfFraction(scalars, at) {
      at += 1
      while let value = digit(at) {
        fraction.append(value)
        at += 1
      }
    }
    var exponent = 0
    if at < scalars.count, scalars[at] == "e" || scalars[at] == "E" {
      var next = at + 1
      let isSmall = next < scalars.count && scalars[next] == "-"
      if next < scalars.count, scalars[next] == "-" || scalars[next] == "+" { next += 1 }
      if digit(next) != nil {
        while let value = digit(next) {
          exponent = min(exponent * 10 + Int(value), exponentLimit)
          next += 1
        }
        if isSmall { exponent = -exponent }
        at = next
      }
    }
    return WrittenNumber(integer: integer, fraction: fraction, exponent: exponent, isNegative: isNegative)
  }

  private static func isPointOfFraction(_ scalars: [Unicode.Scalar], _ at: Int) -> Bool {
    at < scalars.count && isPoint(scalars, at)
  }
}
