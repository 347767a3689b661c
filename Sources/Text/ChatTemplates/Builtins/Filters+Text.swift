extension FilterCall {
  static func casing(_ name: String) -> Filter {
    { call in { () throws(ChatTemplateError) in try call.cased(name) } }
  }

  private func cased(_ name: String) throws(ChatTemplateError) -> Value {
    _ = try bind(name, [])
    let text = try StringMethods.cased(name, try context.string(of: value), context)
    return try context.soft(value) { _ in text }
  }

  /// Unlike `str.title`, only what follows a space, a hyphen or an opening bracket starts a word.
  func title() throws(ChatTemplateError) -> Value {
    _ = try bind("title", [])
    let text = try context.string(of: value)
    try context.allocate(text.utf8.count)
    try context.walk(text.utf8.count * 8)
    var out = ""
    var word = String.UnicodeScalarView()
    func flush() {
      guard let first = word.first else { return }
      out += String(first).pythonUppercased() + String(scalars: word.dropFirst()).pythonLowercased()
      word = String.UnicodeScalarView()
    }
    for scalar in text.unicodeScalars {
      if scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar) {
        flush()
        out.unicodeScalars.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    flush()
    return .string(out)
  }

  func trim() throws(ChatTemplateError) -> Value {
    let given = try bind("trim", ["chars"])
    var characters: String?
    if let value = given[0], !value.isNone { characters = try context.text(value, "trim's argument") }
    return try context.soft(value) { $0.pythonStripped(characters) }
  }

  func string() throws(ChatTemplateError) -> Value {
    _ = try bind("string", [])
    return try context.soft(value) { $0 }
  }

  func safe() throws(ChatTemplateError) -> Value {
    _ = try bind("safe", [])
    return .markup(try context.string(of: value))
  }

  func escape() throws(ChatTemplateError) -> Value {
    _ = try bind("escape", [])
    if case .markup = value { return value }
    return .markup(try context.escaped(try context.string(of: value)))
  }

  func replace() throws(ChatTemplateError) -> Value {
    let given = try bind("replace", ["old", "new", "count"])
    guard let old = given[0], let new = given[1] else { throw context.refused("replace needs two arguments") }
    var limit = -1
    if let count = given[2], !count.isNone { limit = try context.integer(count, "count") }
    let text = try context.string(of: value)
    let changed = try StringMethods.replace(
      text, try context.string(of: old), try context.string(of: new), limit: limit, context)
    return try context.text(changed)
  }

  func indent() throws(ChatTemplateError) -> Value {
    let given = try bind("indent", ["width", "first", "blank"])
    let text = try context.text(value, "indent's operand")
    let width = given[0] ?? .integer(4)
    let indentation: String
    if let text = width.text {
      indentation = text
    } else {
      let count = max(0, try context.integer(width, "indent's width"))
      try context.allocate(count)
      indentation = String(repeating: " ", count: count)
    }
    try context.walk(text.utf8.count * 8)
    // A final newline is only kept by appending one before splitting.
    let lines = (text + "\n").pythonLines(keepingEnds: false)
    let (added, overflow) = indentation.utf8.count.multipliedReportingOverflow(by: lines.count)
    try context.allocate(overflow ? .max / 2 : added + text.utf8.count)
    let blank = given[2]?.isTrue ?? false
    var out = given[1]?.isTrue ?? false ? indentation : ""
    for (i, line) in lines.enumerated() {
      if i > 0 { out += blank || !line.isEmpty ? "\n" + indentation : "\n" }
      out += line
    }
    return .string(out)
  }

  func format() throws(ChatTemplateError) -> Value {
    let text = try context.string(of: value)
    if arguments.keyword.isEmpty { return try context.percentFormat(text, try context.tuple(arguments.positional)) }
    guard arguments.positional.isEmpty else {
      throw context.refused("format takes positional or keyword arguments, not both")
    }
    var builder = DictBuilder()
    for (name, value) in arguments.keyword { builder.set(name, value) }
    return try context.percentFormat(text, try context.dict(builder))
  }

  func center() throws(ChatTemplateError) -> Value {
    let given = try bind("center", ["width"])
    let text = try context.string(of: value)
    return try StringMethods.padded("center", text, Arguments([given[0] ?? .integer(80)]), context)
  }

  func truncate() throws(ChatTemplateError) -> Value {
    let given = try bind("truncate", ["length", "killwords", "end", "leeway"])
    let text = try context.text(value, "truncate's operand")
    let end = if let value = given[2] { try context.text(value, "truncate's end") } else { "..." }
    let length = try context.integer(given[0] ?? .integer(255), "truncate's length")
    let leeway = if let value = given[3], !value.isNone { try context.integer(value, "leeway") } else { 5 }
    let kept = length - end.unicodeScalars.count
    guard kept >= 0, leeway >= 0 else { throw context.refused("truncate's length is shorter than its end") }
    try context.walk(text.utf8.count)
    let scalars = text.unicodeScalars
    let (most, overflow) = length.addingReportingOverflow(leeway)
    if overflow || scalars.count <= most { return .string(text) }
    var part = String(scalars: scalars.prefix(kept))
    if !(given[1]?.isTrue ?? false), let space = part.utf8.lastIndex(of: UInt8(ascii: " ")) {
      part = String(part[..<space])
    }
    return try context.text(part + end)
  }

  func wordcount() throws(ChatTemplateError) -> Value {
    _ = try bind("wordcount", [])
    let text = try context.string(of: value)
    try context.walk(text.utf8.count * 8)
    var count = 0
    var inWord = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      let isWord = scalar == "_" || properties.isAlphabetic || properties.numericType != nil
      if isWord, !inWord { count += 1 }
      inWord = isWord
    }
    return .integer(count)
  }
}
