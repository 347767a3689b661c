/// What surrounds an encoded text when special tokens are asked for.
struct PostProcessor: Sendable {
  enum Piece: Sendable, Equatable {
    case text
    case special([Int])
  }

  private(set) var pieces: [Piece] = [.text]

  static let supported = "TemplateProcessing, ByteLevel, Sequence, RobertaProcessing, BertProcessing"

  /// Reads a "post_processor".
  init(_ field: TokenizerField, idLimit: Int) throws(TokenizerError) {
    var templateCount = 0
    try read(field, depth: 0, idLimit: idLimit, templateCount: &templateCount)
  }

  /// Whether it puts this token before a text.
  func addsBefore(_ id: Int?) -> Bool {
    for case .special(let ids) in pieces.prefix(while: { $0 != .text }) where id.map(ids.contains) ?? false {
      return true
    }
    return false
  }

  func apply(to ids: [Int], addSpecialTokens: Bool) -> [Int] {
    if pieces == [.text] { return ids }
    var result: [Int] = []
    for piece in pieces {
      switch piece {
      case .text: result += ids
      case .special(let special): if addSpecialTokens { result += special }
      }
    }
    return result
  }

  private mutating func read(
    _ field: TokenizerField, depth: Int, idLimit: Int, templateCount: inout Int
  ) throws(TokenizerError) {
    if field.isAbsent { return }
    guard depth < 8 else { throw .limitExceeded(field: "the nesting of \(field.path)", value: depth, limit: 7) }
    let type = try field["type"].string()
    switch type {
    // ByteLevel trims offsets, which we do not report.
    case "ByteLevel": return
    case "Sequence":
      for member in try field["processors"].elements(atMost: 64) {
        try read(member, depth: depth + 1, idLimit: idLimit, templateCount: &templateCount)
      }
    case "TemplateProcessing":
      pieces = try Self.readTemplate(field, idLimit: idLimit)
      templateCount += 1
    case "RobertaProcessing", "BertProcessing":
      func id(_ key: String) throws(TokenizerError) -> Int {
        let pair = try field[key].elements(atMost: 2)
        guard pair.count == 2 else { throw field[key].failure(expected: "a token and its id") }
        return try pair[1].int(in: 0...idLimit - 1)
      }
      pieces = [.special([try id("cls")]), .text, .special([try id("sep")])]
      templateCount += 1
    default: throw .unsupported(field: field["type"].path, value: type, supported: Self.supported)
    }
    guard templateCount <= 1 else {
      throw .limitExceeded(field: "the number of templates in \(field.path)", value: templateCount, limit: 1)
    }
  }

  private static func readTemplate(_ field: TokenizerField, idLimit: Int) throws(TokenizerError) -> [Piece] {
    var pieces: [Piece] = []
    for entry in try field["single"].elements(atMost: 64) {
      if entry["Sequence"].value != nil {
        let name = try entry["Sequence"]["id"].string()
        guard name == "A" else {
          throw .unsupported(field: entry["Sequence"]["id"].path, value: name, supported: "A, in a single sequence")
        }
        pieces.append(.text)
      } else {
        let name = try entry["SpecialToken"]["id"].string()
        let special = field["special_tokens"][name]
        guard special.value != nil else {
          throw .unexpectedValue(field: special.path, found: "missing", expected: "the token the template names")
        }
        var ids: [Int] = []
        for id in try special["ids"].elements(atMost: 64) { ids.append(try id.int(in: 0...idLimit - 1)) }
        pieces.append(.special(ids))
      }
    }
    guard pieces.count(where: { $0 == .text }) <= 1 else {
      throw .limitExceeded(field: "the number of sequences in \(field["single"].path)", value: 2, limit: 1)
    }
    return pieces
  }
}
