#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How Python spells and reads numbers.
enum PythonNumbers {
  /// `repr(float)`: the shortest digits that round-trip, scientific below 1e-4 and from 1e16.
  static func repr(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0.0" }
    var (digits, exponent) = shortestDigits(value.magnitude)
    if exponent >= -4 && exponent < 16 {
      if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + text(digits[...]) }
      while digits.count < exponent + 2 { digits.append(48) }
      return sign + text(digits[...exponent]) + "." + text(digits[(exponent + 1)...])
    }
    let mantissa = text(digits[..<1]) + (digits.count > 1 ? "." + text(digits[1...]) : "")
    let size = exponent.magnitude
    return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (size < 10 ? "0" : "") + String(size)
  }

  private static func text(_ digits: ArraySlice<UInt8>) -> String { String(decoding: digits, as: UTF8.self) }

  /// The shortest round-trip ASCII digits of a positive finite value, and the power of ten of the first.
  private static func shortestDigits(_ value: Double) -> (digits: [UInt8], exponent: Int) {
    let parts = value.description.utf8.split(separator: UInt8(ascii: "e"))
    var exponent = parts.count > 1 ? Int(String(decoding: parts[1], as: UTF8.self)) ?? 0 : 0
    let mantissa = parts[0].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    var digits = Array(mantissa[0])
    exponent += digits.count - 1
    if mantissa.count > 1 { digits += mantissa[1] }
    let leading = digits.prefix { $0 == 48 }.count
    digits.removeFirst(leading)
    exponent -= leading
    while digits.count > 1, digits.last == 48 { digits.removeLast() }
    return (digits, exponent)
  }

  /// `'%.{precision}f'`, correctly rounded. The caller bounds `precision`.
  static func fixed(_ value: Double, precision: Int) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    return unsafe withVaList([Int32(clamping: precision), value]) { arguments in
      // 309 digits before the point, a sign, a point and the terminator.
      var buffer = [CChar](repeating: 0, count: 320 + max(0, precision))
      let count = unsafe vsnprintf(&buffer, buffer.count, "%.*f", arguments)
      let digits = buffer.prefix(max(0, min(Int(count), buffer.count - 1)))
      return String(decoding: digits.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// `int(text, base)`; nil where Python raises ValueError, or past 64 bits.
  static func integer(_ text: String, base: Int = 10) -> Int? {
    var bytes = Array(text.pythonStripped(nil).utf8)
    guard !bytes.isEmpty, base == 0 || (2...36).contains(base) else { return nil }
    var negative = false
    if bytes[0] == UInt8(ascii: "-") || bytes[0] == UInt8(ascii: "+") {
      negative = bytes[0] == UInt8(ascii: "-")
      bytes.removeFirst()
    }
    var base = base
    var afterPrefix = false
    if bytes.count > 2, bytes[0] == 48 {
      let marked = [UInt8(ascii: "x"): 16, UInt8(ascii: "o"): 8, UInt8(ascii: "b"): 2][bytes[1] | 0x20]
      if let marked, base == 0 || base == marked {
        base = marked
        bytes.removeFirst(2)
        afterPrefix = true
      }
    }
    if base == 0 {
      base = 10
      guard bytes.first != 48 || bytes.allSatisfy({ $0 == 48 || $0 == UInt8(ascii: "_") }) else { return nil }
    }
    guard let plain = withoutUnderscores(bytes, leadingAllowed: afterPrefix), let first = plain.first,
      first != UInt8(ascii: "-"), first != UInt8(ascii: "+")
    else { return nil }
    return Int((negative ? "-" : "") + String(decoding: plain, as: UTF8.self), radix: base)
  }

  /// `float(text)`; nil where Python raises ValueError.
  static func float(_ text: String) -> Double? {
    let bytes = Array(text.pythonStripped(nil).utf8)
    guard let plain = withoutUnderscores(bytes, leadingAllowed: false) else { return nil }
    let word = String(decoding: plain, as: UTF8.self).lowercased()
    switch word.hasPrefix("-") || word.hasPrefix("+") ? String(word.dropFirst()) : word {
    case "inf", "infinity": return word.hasPrefix("-") ? -.infinity : .infinity
    case "nan": return .nan
    default: break
    }
    let allowed = Set("0123456789+-.e".utf8)
    guard !plain.isEmpty, word.utf8.allSatisfy(allowed.contains) else { return nil }
    return Double(word)
  }

  /// The bytes without underscores; nil unless each stands alone between two digits.
  private static func withoutUnderscores(_ bytes: [UInt8], leadingAllowed: Bool) -> [UInt8]? {
    let underscore = UInt8(ascii: "_")
    guard bytes.contains(underscore) else { return bytes }
    for i in bytes.indices where bytes[i] == underscore {
      let before = i > 0 ? bytes[i - 1] : leadingAllowed ? 48 : underscore
      let after = i + 1 < bytes.count ? bytes[i + 1] : underscore
      guard isDigitOrLetter(before), isDigitOrLetter(after) else { return nil }
    }
    return bytes.filter { $0 != underscore }
  }

  private static func isDigitOrLetter(_ byte: UInt8) -> Bool {
    (byte >= 48 && byte <= 57) || (byte | 0x20 >= 97 && byte | 0x20 <= 122)
  }
}
