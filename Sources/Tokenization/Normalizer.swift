import Foundation

/// A rewriting of the text before it is split.
indirect enum Normalizer: Sendable {
  case sequence([Normalizer])
  case canonical(UnicodeForm)
  case prepend([UInt8])
  case replace(TextPattern, [UInt8])
  case lowercase
  case strip(left: Bool, right: Bool)
  case stripAccents
  case byteLevel

  enum UnicodeForm: String, Sendable { case NFC, NFD, NFKC, NFKD }

  static let supported = "Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, ByteLevel"

  /// Reads a "normalizer"; nil for null.
  static func read(_ field: TokenizerField, depth: Int = 0) throws(TokenizerError) -> Normalizer? {
    if field.isAbsent { return nil }
    guard depth < 8 else { throw .limitExceeded(field: "the nesting of \(field.path)", value: depth, limit: 7) }
    let type = try field["type"].string()
    switch type {
    case "Sequence":
      var members: [Normalizer] = []
      for member in try field["normalizers"].elements(atMost: 64) {
        guard let normalizer = try read(member, depth: depth + 1) else { throw member.failure(expected: "an object") }
        members.append(normalizer)
      }
      return .sequence(members)
    case "NFC", "NFD", "NFKC", "NFKD": return .canonical(UnicodeForm(rawValue: type)!)
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
    case .canonical(let form): text.bytes = form.apply(to: text.bytes)
    case .prepend(let prefix):
      if !text.bytes.isEmpty { text.bytes.insert(contentsOf: prefix, at: 0) }
    case .replace(let pattern, let content):
      if content.isEmpty, text.startsAtOrigin {
        let first = try text.bytes.withUnsafeBufferPointer { buffer throws(TokenizerError) -> Bool in
          var isRemoved = false
          try pattern.forEachMatch(in: buffer, scratch: scratch) { if $0.lowerBound == 0 && !$0.isEmpty { isRemoved = true } }
          return isRemoved
        }
        if first { text.startsAtOrigin = false }
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
      let marks = UnicodeClasses.category("M")
      let scalars = String(decoding: text.bytes, as: UTF8.self).unicodeScalars
      if let first = scalars.first, Self.isMark(first, marks) { text.startsAtOrigin = false }
      var kept = String.UnicodeScalarView()
      kept.append(contentsOf: scalars.filter { !Self.isMark($0, marks) })
      text.bytes = Array(String(kept).utf8)
    case .byteLevel: text.bytes = ByteLevelAlphabet.letters(of: text.bytes)
    }
  }

  private static func isMark(_ scalar: Unicode.Scalar, _ marks: ScalarSet) -> Bool {
    scalar.value >= 0x300 && marks.contains(scalar) && UnicodeForm.isKnown(scalar)
  }
}

extension Normalizer.UnicodeForm {
  /// The reference's normalisation tables are Unicode 9's: characters assigned later pass unchanged and, having no
  /// combining class there, separate what surrounds them.
  static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x300 || (scalar.properties.age?.major ?? 99) <= 9
  }

  func apply(to bytes: [UInt8]) -> [UInt8] {
    // No character below U+0300 composes with another one below, nor (U+0080 and above aside) changes.
    if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
    if self == .NFC, bytes.allSatisfy({ $0 < 0xCC }) { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var run = String.UnicodeScalarView()
    func flush() {
      if run.isEmpty { return }
      result.append(contentsOf: apply(to: String(run)).utf8)
      run = String.UnicodeScalarView()
    }
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      if Self.isKnown(scalar) {
        run.append(scalar)
      } else {
        flush()
        result.append(contentsOf: UTF8.encode(scalar)!)
      }
    }
    flush()
    return result
  }

  private func apply(to text: String) -> String {
    switch self {
    case .NFC: text.precomposedStringWithCanonicalMapping
    case .NFD: text.decomposedStringWithCanonicalMapping
    case .NFKC: text.precomposedStringWithCompatibilityMapping
    case .NFKD: text.decomposedStringWithCompatibilityMapping
    }
  }
}
