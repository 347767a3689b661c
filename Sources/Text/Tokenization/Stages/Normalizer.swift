/// A rewriting of the text before it is split.
indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case unicode(UnicodeNormalization)
  case prepend([UInt8])
  case replace(TextPattern, [UInt8])
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case byteLevel

  static let supported = "Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, ByteLevel"

  /// Reads a "normalizer"; nil for null.
  static func read(_ field: TokenizerField, depth: Int = 0) throws(TokenizerError) -> Normalizer? {
    if field.isAbsent { return nil }
    guard depth < 8 else { throw .limitExceeded(field: "the nesting of \(field.path)", value: depth, limit: 7) }
    let type = try field["type"].string()
    if let form = UnicodeNormalization(rawValue: type) { return .unicode(form) }
    switch type {
    case "Sequence":
      var members: [Normalizer] = []
      for member in try field["normalizers"].elements(atMost: 64) {
        guard let normalizer = try read(member, depth: depth + 1) else { throw member.failure(expected: "an object") }
        members.append(normalizer)
      }
      return .sequence(members)
    case "Prepend": return .prepend(Array(try field["prepend"].string().utf8))
    case "Replace":
      return .replace(try field["pattern"].textPattern(), Array(try field["content"].string().utf8))
    case "Lowercase": return .lowercase
    case "Strip": return .strip(left: try field["strip_left"].bool(), right: try field["strip_right"].bool())
    case "StripAccents": return .stripAccents
    case "ByteLevel": return .byteLevel
    default: throw .unsupported(field: field["type"].path, value: type, supported: supported)
    }
  }

  func apply(to text: inout NormalizedText, scratch: MatchScratch) throws(TokenizerError) {
    switch self {
    case .sequence(let members):
      for member in members { try member.apply(to: &text, scratch: scratch) }
    case .unicode(let form): text.bytes = form.apply(to: text.bytes)
    case .prepend(let prefix):
      if !text.bytes.isEmpty { text.bytes.insert(contentsOf: prefix, at: 0) }
    case .replace(let pattern, let content):
      if content.isEmpty, text.startsAtOrigin {
        try text.bytes.withUnsafeBufferPointer { buffer throws(TokenizerError) in
          try pattern.forEachMatch(in: buffer, scratch: scratch) { match in
            if match.lowerBound == 0, !match.isEmpty { text.startsAtOrigin = false }
          }
        }
      }
      text.bytes = try pattern.replacing(text.bytes, with: content, scratch: scratch)
    case .lowercase:
      let scalars = String(decoding: text.bytes, as: UTF8.self).unicodeScalars
      text.bytes = scalars.flatMap { Array($0.properties.lowercaseMapping.utf8) }
    case .strip(let left, let right):
      var scalars = Substring(String(decoding: text.bytes, as: UTF8.self)).unicodeScalars
      if right { while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() } }
      if left {
        while let first = scalars.first, first.properties.isWhitespace {
          scalars.removeFirst()
          text.startsAtOrigin = false
        }
      }
      text.bytes = Array(String(scalars).utf8)
    case .stripAccents:
      let scalars = String(decoding: text.bytes, as: UTF8.self).unicodeScalars
      if let first = scalars.first, Self.isMark(first) { text.startsAtOrigin = false }
      var kept = String.UnicodeScalarView()
      kept.append(contentsOf: scalars.filter { !Self.isMark($0) })
      text.bytes = Array(String(kept).utf8)
    case .byteLevel: text.bytes = ByteLevelAlphabet.letters(of: text.bytes)
    }
  }

  /// A mark as of Unicode 9, where U+111C9 was punctuation and U+1CF2 and U+1CF3 were marks.
  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ..<0x300, 0x111C9: false
    case 0x1CF2, 0x1CF3: true
    default: UnicodeClasses.category("M").contains(scalar) && UnicodeNormalization.isKnown(scalar)
    }
  }
}
