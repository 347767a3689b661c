extension StringMethods {
  static func strip(
    _ text: String, _ arguments: Arguments, _ context: Rendering, left: Bool, right: Bool
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bindPositional("strip", 0...1, context)
    var characters: String?
    if let value = given[0], !value.isNone { characters = try context.text(value, "strip's argument") }
    return .string(text.pythonStripped(characters, left: left, right: right))
  }

  static func split(
    _ text: String, _ arguments: Arguments, _ context: Rendering, fromEnd: Bool
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bind("split", ["sep", "maxsplit"], context)
    let limit = if let value = given[1] { try context.integer(value, "maxsplit") } else { -1 }
    try context.walk(text.utf8.count * 2)
    guard let separator = given[0], !separator.isNone else {
      let words = fromEnd ? wordsFromEnd(text, maxSplits: limit) : text.pythonWords(maxSplits: limit)
      return try context.list(words.map { .string($0) })
    }
    let needle = Array(try context.text(separator, "the separator").utf8)
    guard !needle.isEmpty else { throw context.refused("empty separator") }
    let bytes = Array(text.utf8)
    let count = limit < 0 ? Int.max : limit
    let offsets =
      fromEnd
      ? TextSearch.offsetsFromEnd(of: needle, in: bytes, limit: count)
      : TextSearch.offsets(of: needle, in: bytes, limit: count)
    let parts = TextSearch.parts(of: bytes, cutAt: offsets, width: needle.count)
    return try context.list(parts.map { .string($0) })
  }

  /// `str.rsplit()`: words counted from the right, the rest of the text first.
  private static func wordsFromEnd(_ text: String, maxSplits: Int) -> [String] {
    guard maxSplits >= 0 else { return text.pythonWords(maxSplits: -1) }
    let mirrored = String(scalars: text.unicodeScalars.reversed()).pythonWords(maxSplits: maxSplits)
    return mirrored.reversed().map { String(scalars: $0.unicodeScalars.reversed()) }
  }

  static func replace(
    _ text: String, _ old: String, _ new: String, limit: Int, _ context: Rendering
  ) throws(ChatTemplateError) -> String {
    let count = limit < 0 ? Int.max : limit
    let parts: [String]
    if old.isEmpty {
      try context.walk(text.utf8.count * 8)
      let scalars = Array(text.unicodeScalars)
      // The empty string stands before every scalar and at the end.
      let gaps = min(count, scalars.count + 1)
      guard gaps > 0 else { return text }
      parts = [""] + scalars.prefix(gaps - 1).map { String($0) } + [String(scalars: scalars.dropFirst(gaps - 1))]
    } else {
      let bytes = Array(text.utf8)
      let needle = Array(old.utf8)
      try context.walk(bytes.count)
      let offsets = TextSearch.offsets(of: needle, in: bytes, limit: count)
      if offsets.isEmpty { return text }
      try context.allocate(offsets.count * 16)
      parts = TextSearch.parts(of: bytes, cutAt: offsets, width: needle.count)
    }
    return try join(parts, by: new, context)
  }

  static func join(_ parts: [String], by separator: String, _ context: Rendering) throws(ChatTemplateError) -> String {
    var size = parts.reduce(0) { $0 + $1.utf8.count }
    let (gaps, overflow) = separator.utf8.count.multipliedReportingOverflow(by: max(0, parts.count - 1))
    size += overflow ? context.limits.valueByteCount : gaps
    try context.allocate(size)
    return parts.joined(separator: separator)
  }

  static func hasAffix(
    _ name: String, _ text: String, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bindPositional(name, 1...3, context)
    let (part, _, isValid) = try window(text, given[1], given[2], context)
    let affixes: [Value]
    if case .tuple(let storage)? = given[0] { affixes = storage.items } else { affixes = [given[0] ?? .none] }
    let bytes = Array(part.utf8)
    for affix in affixes {
      let affix = Array(try context.text(affix, "\(name)'s first argument").utf8)
      guard isValid, bytes.count >= affix.count else { continue }
      let matches = name == "startswith" ? bytes.starts(with: affix) : bytes.suffix(affix.count).elementsEqual(affix)
      if matches { return .bool(true) }
    }
    return .bool(false)
  }

  /// `text[start:stop]`, the scalar it starts at, and whether `start` lies within the text at all.
  private static func window(
    _ text: String, _ start: Value?, _ stop: Value?, _ context: Rendering
  ) throws(ChatTemplateError) -> (part: String, start: Int, isValid: Bool) {
    if (start?.isNone ?? true) && (stop?.isNone ?? true) { return (text, 0, true) }
    let scalars = Array(text.unicodeScalars)
    try context.walk(scalars.count * 4)
    func bound(_ value: Value?, _ fallback: Int) throws(ChatTemplateError) -> Int {
      guard let value, !value.isNone else { return fallback }
      let index = try context.integer(value, "a bound")
      return index < 0 ? max(0, index + scalars.count) : index
    }
    let first = try bound(start, 0)
    let last = min(try bound(stop, scalars.count), scalars.count)
    guard first <= last else { return ("", first, false) }
    return (String(scalars: scalars[first..<last]), first, true)
  }

  static func search(
    _ name: String, _ text: String, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bindPositional(name, 1...3, context)
    let needle = try context.text(given[0], "\(name)'s first argument")
    let (part, start, isValid) = try window(text, given[1], given[2], context)
    let bytes = Array(part.utf8)
    let pattern = Array(needle.utf8)
    if name == "count" {
      guard isValid else { return .integer(0) }
      if pattern.isEmpty { return .integer(part.unicodeScalars.count + 1) }
      return .integer(TextSearch.offsets(of: pattern, in: bytes).count)
    }
    let fromEnd = name.hasPrefix("r")
    var found: Int?
    if isValid {
      if pattern.isEmpty {
        found = fromEnd ? bytes.count : 0
      } else {
        found =
          fromEnd
          ? TextSearch.offsetsFromEnd(of: pattern, in: bytes, limit: 1).first
          : TextSearch.offsets(of: pattern, in: bytes, limit: 1).first
      }
    }
    guard let found else {
      if name.hasSuffix("index") { throw context.refused("substring not found") }
      return .integer(-1)
    }
    return .integer(start + String(decoding: bytes[..<found], as: UTF8.self).unicodeScalars.count)
  }

  static func partition(
    _ name: String, _ text: String, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bindPositional(name, 1...1, context)
    let separator = try context.text(given[0], "the separator")
    guard !separator.isEmpty else { throw context.refused("empty separator") }
    let bytes = Array(text.utf8)
    let needle = Array(separator.utf8)
    let fromEnd = name == "rpartition"
    let offsets =
      fromEnd
      ? TextSearch.offsetsFromEnd(of: needle, in: bytes, limit: 1)
      : TextSearch.offsets(of: needle, in: bytes, limit: 1)
    let parts = TextSearch.parts(of: bytes, cutAt: offsets, width: needle.count)
    let pieces = parts.count == 2 ? [parts[0], separator, parts[1]] : fromEnd ? ["", "", text] : [text, "", ""]
    return try context.tuple(pieces.map { .string($0) })
  }

  static func padded(
    _ name: String, _ text: String, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    let given = try arguments.bindPositional(name, name == "zfill" ? 1...1 : 1...2, context)
    let width = try context.integer(given[0] ?? .none, "the width")
    var fill = " "
    if let value = given.dropFirst().first ?? nil { fill = try context.text(value, "the fill character") }
    guard fill.unicodeScalars.count == 1 else {
      throw context.refused("the fill character must be exactly one character long")
    }
    let missing = max(0, width) - text.unicodeScalars.count
    guard missing > 0 else { return .string(text) }
    try context.allocate(missing > context.limits.valueByteCount ? missing : missing * fill.utf8.count)
    func filler(_ count: Int, _ character: String) -> String { String(repeating: character, count: count) }
    switch name {
    case "ljust": return .string(text + filler(missing, fill))
    case "rjust": return .string(filler(missing, fill) + text)
    case "center":
      // CPython puts the odd one out on the left only when the width is odd.
      let left = missing / 2 + (missing & max(0, width) & 1)
      return .string(filler(left, fill) + text + filler(missing - left, fill))
    default:
      let sign = text.utf8.first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
      let scalars = text.unicodeScalars
      let body = String(scalars: scalars.dropFirst(sign ? 1 : 0))
      return .string(String(scalars: scalars.prefix(sign ? 1 : 0)) + filler(missing, "0") + body)
    }
  }
}

extension Value {
  var isNone: Bool { if case .none = self { true } else { false } }
}
