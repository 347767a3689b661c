extension PreTokenizer {
  static let supported = "Sequence, Split, ByteLevel, Digits, Metaspace, Punctuation, Whitespace, WhitespaceSplit"
  /// GPT-2's pattern, which ByteLevel applies unless told not to.
  static let byteLevelPattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Reads a "pre_tokenizer" as a list of steps; `endsInByteLetters` when the last one turns bytes into letters,
  /// a step that is then left out for the model to do faster.
  static func read(_ field: TokenizerField) throws(TokenizerError) -> (steps: [PreTokenizer], endsInByteLetters: Bool) {
    if field.isAbsent { return ([], false) }
    var steps: [PreTokenizer] = []
    try read(field, depth: 0, into: &steps)
    if case .byteLetters = steps.last { return (steps.dropLast(), true) }
    return (steps, false)
  }

  private static func read(
    _ field: TokenizerField, depth: Int, into steps: inout [PreTokenizer]
  ) throws(TokenizerError) {
    guard depth < 8 else { throw .limitExceeded(field: "the nesting of \(field.path)", value: depth, limit: 7) }
    let type = try field["type"].string()
    switch type {
    case "Sequence":
      for member in try field["pretokenizers"].elements(atMost: 64) { try read(member, depth: depth + 1, into: &steps) }
    case "Split":
      steps.append(
        .split(
          try field["pattern"].textPattern(), try behavior(field["behavior"]), inverted: try field["invert"].bool()))
    case "ByteLevel":
      // "trim_offsets" is about offsets, which we do not report.
      if try field["add_prefix_space"].bool() { steps.append(.prefixSpace) }
      if try field["use_regex"].bool(default: true) {
        let pattern = try CompiledPattern(source: byteLevelPattern, field: field.path)
        steps.append(.split(.regex(pattern), .isolated, inverted: false))
      }
      steps.append(.byteLetters)
    case "Digits":
      let isSingle = try field["individual_digits"].bool()
      steps.append(.characters(UnicodeClasses.numeric, isSingle ? .isolated : .contiguous))
    case "Metaspace": steps.append(try readMetaspace(field))
    case "Punctuation":
      let behavior = field["behavior"].isAbsent ? SplitBehavior.isolated : try behavior(field["behavior"])
      steps.append(.characters(UnicodeClasses.punctuation, behavior))
    case "Whitespace":
      // Another engine's \w, which has the joiners and lacks the numbers.
      var word = CharacterClass(UnicodeClasses.tokenWord)
      let inside = word.pattern
      word.formUnion(CharacterClass(UnicodeClasses.whitespace))
      word.isNegated = true
      let pattern = try CompiledPattern(
        translated: "\(inside)+|\(word.pattern)+", source: "\\w+|[^\\w\\s]+", field: field.path)
      steps.append(.split(.regex(pattern), .removed, inverted: true))
    case "WhitespaceSplit": steps.append(.characters(UnicodeClasses.whitespace, .removed))
    default: throw .unsupported(field: field["type"].path, value: type, supported: supported)
    }
  }

  private static func behavior(_ field: TokenizerField) throws(TokenizerError) -> SplitBehavior {
    let name = try field.string()
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw .unsupported(
        field: field.path, value: name,
        supported: "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous")
    }
    return behavior
  }

  static func readMetaspace(_ field: TokenizerField) throws(TokenizerError) -> PreTokenizer {
    let replacement = Array(try field["replacement"].scalar().utf8)
    return .metaspace(
      replacement: replacement, try prependScheme(field), splits: try field["split"].bool(default: true))
  }

  /// The scheme of a Metaspace; files from before schemes have `add_prefix_space` only.
  static func prependScheme(_ field: TokenizerField) throws(TokenizerError) -> PrependScheme {
    let name = try field["prepend_scheme"].optionalString()
    guard let scheme = PrependScheme(rawValue: name ?? "always") else {
      throw .unsupported(field: field["prepend_scheme"].path, value: name ?? "", supported: "always, first, never")
    }
    guard try field["add_prefix_space"].bool(default: true) == false else { return scheme }
    guard name == nil || scheme == .never else {
      throw .unexpectedValue(
        field: field["prepend_scheme"].path, found: "\"\(scheme.rawValue)\" beside add_prefix_space false",
        expected: "\"never\"")
    }
    return .never
  }
}
