import JSON

/// The exact value of a JSON number: ± digits · 10^exponent, with neither leading nor trailing zeros; none for zero.
struct DecimalNumber: Hashable, Sendable {
  static let digitLimit = 400
  static let exponentLimit = 100_000

  private(set) var isNegative: Bool
  private(set) var digits: [UInt8]
  private(set) var exponent: Int

  static let zero = DecimalNumber(isNegative: false, digits: [], exponent: 0)

  private init(isNegative: Bool, digits: [UInt8], exponent: Int) {
    (self.isNegative, self.digits, self.exponent) = (isNegative, digits, exponent)
  }

  /// nil for a number with more digits or a larger exponent than anybody means.
  init?(_ number: JSONNumber) {
    var digits: [UInt8] = []
    var exponent = 0
    var isNegative = false
    var rest = Array(number.text.utf8)[...]
    if rest.first == UInt8(ascii: "-") {
      isNegative = true
      rest = rest.dropFirst()
    }
    var isFraction = false
    while let byte = rest.first, byte | 0x20 != UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if byte == UInt8(ascii: ".") {
        isFraction = true
      } else {
        guard (48...57).contains(byte) else { return nil }
        if isFraction { exponent -= 1 }
        if byte != 48 || !digits.isEmpty { digits.append(byte - 48) }
        guard digits.count <= Self.digitLimit, exponent > -Self.exponentLimit else { return nil }
      }
    }
    if !rest.isEmpty {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
      guard let written = Int(String(decoding: rest, as: UTF8.self)) else { return nil }
      if !digits.isEmpty { guard abs(written) <= Self.exponentLimit else { return nil } }
      exponent += digits.isEmpty ? 0 : written
    }
    while digits.last == 0 {
      digits.removeLast()
      exponent += 1
    }
    self.init(isNegative: isNegative && !digits.isEmpty, digits: digits, exponent: digits.isEmpty ? 0 : exponent)
  }

  var isZero: Bool { digits.isEmpty }
  var isInteger: Bool { exponent >= 0 }
  var negated: DecimalNumber { DecimalNumber(isNegative: !isNegative && !isZero, digits: digits, exponent: exponent) }
  /// How many digits stand before the point; zero or less below 1.
  var integerDigitCount: Int { isZero ? 0 : digits.count + exponent }
  /// How many digits stand after the point.
  var fractionDigitCount: Int { max(0, -exponent) }

  /// The digits before the point without leading zeros, "0" as none. For numbers known to be short.
  var integerDigits: [UInt8] {
    if exponent >= 0 { return digits + [UInt8](repeating: 0, count: exponent) }
    return integerDigitCount > 0 ? Array(digits[..<integerDigitCount]) : []
  }
  /// The digits after the point without trailing zeros.
  var fractionDigits: [UInt8] {
    if exponent >= 0 { return [] }
    return integerDigitCount >= 0
      ? Array(digits[integerDigitCount...]) : [UInt8](repeating: 0, count: -integerDigitCount) + digits
  }

  /// The digits of an integer that is not too long to be written so.
  var wholeText: String? {
    guard isInteger, integerDigitCount <= NumberAutomata.integerDigitLimit else { return nil }
    let digits = isZero ? "0" : integerDigits.map { "\($0)" }.joined()
    return isNegative ? "-" + digits : digits
  }

  static func < (a: DecimalNumber, b: DecimalNumber) -> Bool {
    if a.isNegative != b.isNegative { return a.isNegative }
    return a.isNegative ? b.magnitudeIsLess(than: a) : a.magnitudeIsLess(than: b)
  }

  private func magnitudeIsLess(than other: DecimalNumber) -> Bool {
    if isZero || other.isZero { return isZero && !other.isZero }
    if integerDigitCount != other.integerDigitCount { return integerDigitCount < other.integerDigitCount }
    return digits.lexicographicallyPrecedes(other.digits)
  }
}
