/// The methods of Python's `str`, by code points.
enum StringMethods {
  static let names: Set<String> = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "upper", "lower",
    "title", "capitalize", "swapcase", "casefold", "replace", "join", "find", "rfind", "index", "rindex", "count",
    "format", "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum", "isspace", "isupper", "islower",
    "isascii", "zfill", "ljust", "rjust", "center", "removeprefix", "removesuffix", "partition", "rpartition",
    // Python has these too; calling one says that it is left out.
    "encode", "expandtabs", "format_map", "isidentifier", "isprintable", "istitle", "maketrans", "translate",
  ]

  static func call(
    _ name: String, _ text: String, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    // Every method walks its string at least once, and most make one as long.
    try context.allocate(text.utf8.count)
    switch name {
    case "strip": return try strip(text, arguments, context, left: true, right: true)
    case "lstrip": return try strip(text, arguments, context, left: true, right: false)
    case "rstrip": return try strip(text, arguments, context, left: false, right: true)
    case "split": return try split(text, arguments, context, fromEnd: false)
    case "rsplit": return try split(text, arguments, context, fromEnd: true)
    case "splitlines":
      let given = try arguments.bind(name, ["keepends"], context)
      try context.walk(text.utf8.count * 8)
      let lines = text.pythonLines(keepingEnds: given[0]?.isTrue ?? false)
      return try context.list(lines.map { .string($0) })
    case "startswith", "endswith": return try hasAffix(name, text, arguments, context)
    case "upper", "lower", "title", "capitalize", "swapcase", "casefold":
      _ = try arguments.bindPositional(name, 0...0, context)
      return .string(try cased(name, text, context))
    case "replace":
      let given = try arguments.bindPositional(name, 2...3, context)
      let old = try context.text(given[0], "replace's first argument")
      let new = try context.text(given[1], "replace's second argument")
      let limit = try given[2].map { (value) throws(ChatTemplateError) in try context.integer(value, "count") }
      return .string(try replace(text, old, new, limit: limit ?? -1, context))
    case "join":
      let given = try arguments.bindPositional(name, 1...1, context)
      var parts: [String] = []
      for item in try context.items(of: given[0] ?? .none) {
        try context.step()
        parts.append(try context.text(item, "an item to join"))
      }
      return .string(try join(parts, by: text, context))
    case "find", "rfind", "index", "rindex", "count": return try search(name, text, arguments, context)
    case "format": return try context.format(text, arguments)
    case "removeprefix", "removesuffix":
      let given = try arguments.bindPositional(name, 1...1, context)
      let affix = Array(try context.text(given[0], "the affix").utf8)
      let bytes = Array(text.utf8)
      guard bytes.count >= affix.count else { return .string(text) }
      let cut = bytes.count - affix.count
      if name == "removeprefix" {
        return .string(bytes.starts(with: affix) ? String(decoding: bytes[affix.count...], as: UTF8.self) : text)
      }
      return .string(bytes[cut...].elementsEqual(affix) ? String(decoding: bytes[..<cut], as: UTF8.self) : text)
    case "partition", "rpartition": return try partition(name, text, arguments, context)
    case "zfill", "ljust", "rjust", "center": return try padded(name, text, arguments, context)
    default:
      try context.walk(text.utf8.count * 8)
      guard let answer = classification(name, text) else {
        throw .unsupported("the string method '\(name)'", line: context.line)
      }
      _ = try arguments.bindPositional(name, 0...0, context)
      return .bool(answer)
    }
  }

  static func cased(_ name: String, _ text: String, _ context: Rendering) throws(ChatTemplateError) -> String {
    // Looking up a scalar's case takes as long as copying some hundred bytes.
    try context.walk(text.utf8.count * 8)
    return cased(name, text)
  }

  private static func cased(_ name: String, _ text: String) -> String {
    switch name {
    case "upper": text.pythonUppercased()
    case "lower": text.pythonLowercased()
    case "title": text.pythonTitlecased()
    case "capitalize": text.pythonCapitalized()
    case "casefold":
      // Full case folding differs from lower case in few letters; the German sharp s is the common one.
      String(text.pythonLowercased().unicodeScalars.flatMap { $0 == "ß" ? "ss" : String($0) })
    default:
      String(
        text.unicodeScalars.flatMap {
          $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
        })
    }
  }

  /// The answer of an `is…` method; nil for a name that is none of them.
  private static func classification(_ name: String, _ text: String) -> Bool? {
    let scalars = text.unicodeScalars
    func all(_ test: (Unicode.Scalar.Properties) -> Bool) -> Bool {
      !scalars.isEmpty && scalars.allSatisfy { test($0.properties) }
    }
    func isAlphabetic(_ properties: Unicode.Scalar.Properties) -> Bool {
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
      default: false
      }
    }
    func isDigit(_ properties: Unicode.Scalar.Properties) -> Bool {
      properties.numericType == .decimal || properties.numericType == .digit
    }
    switch name {
    case "isdigit": return all(isDigit)
    case "isdecimal": return all { $0.numericType == .decimal }
    case "isnumeric": return all { $0.numericType != nil }
    case "isalpha": return all(isAlphabetic)
    case "isalnum": return all { isAlphabetic($0) || $0.numericType != nil }
    case "isspace": return !scalars.isEmpty && scalars.allSatisfy(\.isPythonSpace)
    case "isascii": return text.utf8.allSatisfy { $0 < 0x80 }
    case "isupper", "islower":
      let wanted = name == "isupper"
      var found = false
      for scalar in scalars {
        let properties = scalar.properties
        if wanted ? properties.isLowercase : properties.isUppercase { return false }
        if properties.generalCategory == .titlecaseLetter { return false }
        if wanted ? properties.isUppercase : properties.isLowercase { found = true }
      }
      return found
    default: return nil
    }
  }
}
