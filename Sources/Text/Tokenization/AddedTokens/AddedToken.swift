/// A token found in the text as it stands, before any splitting: special tokens, and words added to a vocabulary.
struct AddedToken: Sendable {
  let id: Int
  let content: String
  /// Matches only where no word character touches it.
  let isSingleWord: Bool
  /// Takes the whitespace before it along.
  let stripsLeft: Bool
  /// Takes the whitespace after it along.
  let stripsRight: Bool
  /// Is looked for in the normalised text, in its own normalised form.
  let isNormalized: Bool
  /// Is left out of decoded text when special tokens are skipped.
  let isSpecial: Bool
  /// What is looked for, and what decoding starts from: the content, normalised if `isNormalized`.
  var form: [UInt8]
}

extension AddedToken {
  static let countLimit = 1 << 16
  static let byteLimit = 1 << 10

  /// Reads "added_tokens". Ids must agree with the vocabulary: a token in it keeps its id there, another one needs a
  /// free id.
  static func read(
    _ field: TokenizerField, vocabulary: TokenTable, normalizer: Normalizer?, scratch: MatchScratch
  ) throws(TokenizerError) -> [AddedToken] {
    if field.isAbsent { return [] }
    var tokens: [AddedToken] = []
    var contents: [Int: String] = [:]
    var table = TokenTable(capacity: 64)
    for entry in try field.elements(atMost: countLimit) {
      var content = try entry["content"].string()
      let id = try entry["id"].int(in: 0...BPEModel.idLimit - 1)
      // The reference passes over tokens without text.
      if content.isEmpty { continue }
      guard content.utf8.count <= byteLimit else {
        throw .limitExceeded(field: entry["content"].path, value: content.utf8.count, limit: byteLimit)
      }
      if let first = contents[id] { throw .duplicateID(id: id, first: first, second: content) }
      if let vocabularyID = vocabulary.id(of: content) {
        guard vocabularyID == id else {
          throw .addedTokenConflict(token: content, id: id, reason: "has the id \(vocabularyID) in the vocabulary")
        }
      } else if let other = vocabulary.string(of: id) {
        throw .duplicateID(id: id, first: other, second: content)
      }
      if case .tokenTaken(let other) = content.withUTF8({ table.insert($0, id: id) }) {
        throw .addedTokenConflict(token: content, id: id, reason: "is listed already, with the id \(other)")
      }
      contents[id] = content
      let isNormalized = try entry["normalized"].bool()
      var form = NormalizedText(Array(content.utf8), startsAtOrigin: true)
      if isNormalized { try normalizer?.apply(to: &form, scratch: scratch) }
      tokens.append(
        AddedToken(
          id: id, content: content, isSingleWord: try entry["single_word"].bool(),
          stripsLeft: try entry["lstrip"].bool(), stripsRight: try entry["rstrip"].bool(),
          isNormalized: isNormalized, isSpecial: try entry["special"].bool(), form: form.bytes))
    }
    return tokens
  }
}
