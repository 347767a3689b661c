/// One step from tokens' texts to text, as configuration; `DecoderStage` does the work.
indirect enum Decoder: Sendable {
  case byteLevel
  case byteFallback
  case fuse
  case replace(TextPattern, [UInt8])
  case strip(Unicode.Scalar, start: Int, stop: Int)
  case metaspace([UInt8], dropsInFirst: Bool)
  /// No decoder: tokens stand apart.
  case spaced

  static let supported = "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace"
  static let stripLimit = 1024

  /// Reads a "decoder" as a list of steps.
  static func read(_ field: TokenizerField) throws(TokenizerError) -> [Decoder] {
    if field.isAbsent { return [.spaced] }
    var steps: [Decoder] = []
    try read(field, depth: 0, into: &steps)
    return steps
  }

  private static func read(_ field: TokenizerField, depth: Int, into steps: inout [Decoder]) throws(TokenizerError) {
    guard depth < 8 else { throw .limitExceeded(field: "the nesting of \(field.path)", value: depth, limit: 7) }
    let type = try field["type"].string()
    switch type {
    case "Sequence":
      for member in try field["decoders"].elements(atMost: 64) { try read(member, depth: depth + 1, into: &steps) }
    case "ByteLevel": steps.append(.byteLevel)
    case "ByteFallback": steps.append(.byteFallback)
    case "Fuse": steps.append(.fuse)
    case "Replace":
      steps.append(.replace(try field["pattern"].textPattern(), Array(try field["content"].string().utf8)))
    case "Strip":
      steps.append(
        .strip(
          try field["content"].scalar(), start: try field["start"].int(in: 0...stripLimit),
          stop: try field["stop"].int(in: 0...stripLimit)))
    case "Metaspace":
      let replacement = Array(try field["replacement"].scalar().utf8)
      let scheme = try PreTokenizer.prependScheme(field)
      steps.append(.metaspace(replacement, dropsInFirst: scheme != .never))
    default: throw .unsupported(field: field["type"].path, value: type, supported: supported)
    }
  }

  func makeStage() -> any DecoderStage {
    switch self {
    case .byteLevel: ByteLevelStage()
    case .byteFallback: ByteFallbackStage()
    case .fuse: FuseStage()
    case .replace(let pattern, let content): ReplaceStage(pattern: pattern, content: content)
    case .strip(let scalar, let start, let stop): StripStage(scalar: scalar, start: start, stop: stop)
    case .metaspace(let replacement, let dropsInFirst):
      MetaspaceStage(replacement: replacement, dropsInFirst: dropsInFirst)
    case .spaced: SpacedStage()
    }
  }
}
