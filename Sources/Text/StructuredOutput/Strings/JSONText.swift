/// How this module writes JSON texts that a schema gives.
enum JSONText {
  /// The letter after the backslash.
  static let shortEscapes: [UInt8: UInt8] = [
    0x22: 0x22, 0x5C: 0x5C, 0x08: UInt8(ascii: "b"), 0x0C: UInt8(ascii: "f"), 0x0A: UInt8(ascii: "n"),
    0x0D: UInt8(ascii: "r"), 0x09: UInt8(ascii: "t"),
  ]

  /// A string with its quotes, in the one way in which constrained strings are written.
  static func string(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = [0x22]
    for byte in text.utf8 {
      if let letter = shortEscapes[byte] {
        bytes += [0x5C, letter]
      } else if byte < 0x20 {
        let digit = byte & 15
        bytes += Array("\\u00".utf8) + [48 + byte >> 4, digit < 10 ? 48 + digit : 87 + digit]
      } else {
        bytes.append(byte)
      }
    }
    bytes.append(0x22)
    return bytes
  }
}

extension RuleBuilder {
  /// Any JSON string: raw UTF-8, or any escape that stands for a character. Surrogates are escaped in pairs only.
  mutating func addAnyString(from: Int32, to target: Int32) {
    let inside = makeState()
    addByte("\"", from: from, to: inside)
    addByte("\"", from: inside, to: target)
    addContent(.any, at: inside)
    let backslash = makeState()
    addByte("\\", from: inside, to: backslash)
    for letter in "\"\\/bfnrt".unicodeScalars { addByte(letter, from: backslash, to: inside) }
    addRawCharacter(from: inside, to: inside)

    // \u: four hexadecimal digits, of which the first two tell surrogates apart.
    let u = makeState()
    addByte("u", from: backslash, to: u)
    let d = makeState()
    let afterFirst = makeState()
    let afterSecond = makeState()
    addHexadecimal(from: u, to: afterFirst, excludingD: true)
    for letter in "dD".unicodeScalars { addByte(letter, from: u, to: d) }
    addHexadecimal(from: afterFirst, to: afterSecond)
    addBytes(0x30...0x37, from: d, to: afterSecond)
    addHexadecimals(2, from: afterSecond, to: inside)
    let high = makeState()
    addBytes(0x38...0x39, from: d, to: high)
    for letter in "abAB".unicodeScalars { addByte(letter, from: d, to: high) }
    let afterHigh = makeState()
    addHexadecimals(2, from: high, to: afterHigh)
    let low = makeState()
    addLiteral("\\u", from: afterHigh, to: low)
    let lowD = makeState()
    for letter in "dD".unicodeScalars { addByte(letter, from: low, to: lowD) }
    let lowRest = makeState()
    for letter in "cdefCDEF".unicodeScalars { addByte(letter, from: lowD, to: lowRest) }
    addHexadecimals(2, from: lowRest, to: inside)
  }

  private mutating func addRawCharacter(from: Int32, to target: Int32) {
    addBytes(0x20...0x21, from: from, to: target)
    addBytes(0x23...0x5B, from: from, to: target)
    addBytes(0x5D...0x7F, from: from, to: target)
    addBeyondASCII(from: from, to: target)
  }

  /// One character of two to four bytes.
  mutating func addBeyondASCII(from: Int32, to target: Int32) {
    let (one, two, three) = (makeState(), makeState(), makeState())
    addBytes(0x80...0xBF, from: one, to: target)
    addBytes(0x80...0xBF, from: two, to: one)
    addBytes(0x80...0xBF, from: three, to: two)
    addBytes(0xC2...0xDF, from: from, to: one)
    addBytes(0xE1...0xEC, from: from, to: two)
    addBytes(0xEE...0xEF, from: from, to: two)
    addBytes(0xF1...0xF3, from: from, to: three)
    // The second byte is narrower after these: overlong forms, surrogates, above U+10FFFF.
    for (lead, second, rest) in [
      (0xE0, 0xA0...0xBF, one), (0xED, 0x80...0x9F, one), (0xF0, 0x90...0xBF, two), (0xF4, 0x80...0x8F, two),
    ] as [(UInt8, ClosedRange<UInt8>, Int32)] {
      let state = makeState()
      addBytes(lead...lead, from: from, to: state)
      addBytes(second, from: state, to: rest)
    }
  }

  private mutating func addHexadecimals(_ count: Int, from: Int32, to target: Int32) {
    var at = from
    for i in 1...count {
      let next = i == count ? target : makeState()
      addHexadecimal(from: at, to: next)
      at = next
    }
  }

  private mutating func addHexadecimal(from: Int32, to target: Int32, excludingD: Bool = false) {
    addBytes(0x30...0x39, from: from, to: target)
    for letter in "abcefABCEF".unicodeScalars { addByte(letter, from: from, to: target) }
    if !excludingD { for letter in "dD".unicodeScalars { addByte(letter, from: from, to: target) } }
  }
}
