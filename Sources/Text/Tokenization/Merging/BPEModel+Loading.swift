import JSON

extension BPEModel {
  static let vocabularyLimit = 1 << 21
  /// The highest id and 1: what tables indexed by id may cost.
  static let idLimit = 1 << 22
  static let tokenByteLimit = 1 << 16
  static let mergeLimit = 1 << 22

  /// Reads the "model" of `tokenizer.json`.
  init(_ field: TokenizerField) throws(TokenizerError) {
    // Files from before the type was written have merges; other models do not.
    let type = field["type"].isAbsent && !field["merges"].isAbsent ? "BPE" : try field["type"].string()
    guard type == "BPE" else { throw .unsupported(field: field["type"].path, value: type, supported: "BPE") }
    if !field["dropout"].isAbsent, field["dropout"].value?.double != 0 {
      throw .unsupported(
        field: field["dropout"].path, value: field["dropout"].value?.number?.text ?? "not a number",
        supported: "null or 0")
    }
    let tokens = try Self.readVocabulary(field["vocab"])
    continuingPrefix = Array((try field["continuing_subword_prefix"].optionalString() ?? "").utf8)
    endOfWordSuffix = Array((try field["end_of_word_suffix"].optionalString() ?? "").utf8)
    (merges, mergedIDs) = try Self.readMerges(field["merges"], tokens, prefixCount: continuingPrefix.count)
    unknownToken = try field["unk_token"].optionalString()
    unknownID = unknownToken.flatMap { tokens.id(of: $0) }.map { Int32($0) }
    fusesUnknown = try field["fuse_unk"].bool(default: false)
    ignoresMerges = try field["ignore_merges"].bool(default: false)
    fallbackIDs = try field["byte_fallback"].bool(default: false) ? Self.readByteTokens(tokens) : nil
    letterIDs = ByteLevelAlphabet.encodedLetters.map { letter in
      Int32(letter.withUnsafeBufferPointer { tokens.id(of: $0) } ?? -1)
    }
    hasFastLetters = !letterIDs.contains(-1) && continuingPrefix.isEmpty && endOfWordSuffix.isEmpty
    self.tokens = tokens
  }

  private static func readVocabulary(_ field: TokenizerField) throws(TokenizerError) -> TokenTable {
    guard let object = field.value?.object else { throw field.failure(expected: "an object") }
    guard object.count <= vocabularyLimit else {
      throw .limitExceeded(field: "the number of tokens in \(field.path)", value: object.count, limit: vocabularyLimit)
    }
    var tokens = TokenTable(capacity: object.count)
    for (key, value) in zip(object.keys, object.values) {
      guard let id = value.exactInt, id >= 0, id < idLimit else {
        throw .unexpectedValue(
          field: "the id of \"\(key)\" in \(field.path)", found: value.number?.text ?? value.kind,
          expected: "an integer from 0 to \(idLimit - 1)")
      }
      var key = key
      guard key.utf8.count <= tokenByteLimit else {
        throw .limitExceeded(
          field: "the length in bytes of token \(id) in \(field.path)", value: key.utf8.count, limit: tokenByteLimit)
      }
      if case .idTaken = key.withUTF8({ tokens.insert($0, id: id) }) {
        throw .duplicateID(id: id, first: tokens.string(of: id) ?? "", second: key)
      }
    }
    return tokens
  }

  /// Each merge joins two tokens into a third, whose text is theirs joined (less the right one's prefix).
  private static func readMerges(
    _ field: TokenizerField, _ tokens: TokenTable, prefixCount: Int
  ) throws(TokenizerError) -> (MergeTable, [Int32]) {
    guard let list = field.value?.array else { throw field.failure(expected: "an array") }
    guard list.count <= mergeLimit else {
      throw .limitExceeded(field: "the number of \(field.path)", value: list.count, limit: mergeLimit)
    }
    var table = MergeTable(capacity: list.count)
    var mergedIDs: [Int32] = []
    mergedIDs.reserveCapacity(list.count)
    var joined: [UInt8] = []
    for (index, entry) in list.enumerated() {
      // Ranks count pairs, not lines: a version line, as in merges.txt, is no merge.
      if case .string(let line) = entry, line.utf8.starts(with: "#version".utf8) { continue }
      guard let (left, right) = pair(entry) else {
        throw .unexpectedValue(
          field: "\(field.path)[\(index)]", found: entry.string.map { "\"\($0)\"" } ?? entry.kind,
          expected: "two tokens, as \"a b\" or [\"a\", \"b\"]")
      }
      func missing(_ token: String) -> TokenizerError {
        .mergeNamesMissingToken(index: index, left: left, right: right, missing: token)
      }
      guard let leftID = tokens.id(of: left) else { throw missing(left) }
      guard let rightID = tokens.id(of: right) else { throw missing(right) }
      joined.removeAll(keepingCapacity: true)
      joined.append(contentsOf: left.utf8)
      joined.append(contentsOf: right.utf8.dropFirst(prefixCount))
      guard let id = joined.withUnsafeBufferPointer({ tokens.id(of: $0) }) else {
        throw missing(String(decoding: joined, as: UTF8.self))
      }
      table.insert(Int32(leftID), Int32(rightID), rank: UInt32(mergedIDs.count), id: Int32(id))
      mergedIDs.append(Int32(id))
    }
    return (table, mergedIDs)
  }

  private static func pair(_ entry: JSONValue) -> (String, String)? {
    switch entry {
    case .string(var line):
      let space = line.withUTF8 { bytes -> Int? in
        guard let space = bytes.firstIndex(of: 0x20), bytes.lastIndex(of: 0x20) == space else { return nil }
        return space
      }
      guard let space else { return nil }
      let middle = line.utf8.index(line.utf8.startIndex, offsetBy: space)
      return (String(line[..<middle]), String(line[line.utf8.index(after: middle)...]))
    case .array(let parts):
      guard parts.count == 2, let left = parts[0].string, let right = parts[1].string else { return nil }
      return (left, right)
    default: return nil
    }
  }

  /// The byte tokens; anything else that begins "<0x" and ends ">" is a mistake or an attack.
  private static func readByteTokens(_ tokens: TokenTable) throws(TokenizerError) -> [Int32] {
    var ids = [Int32](repeating: -1, count: 256)
    let opening = Array("<0x".utf8)
    for id in 0..<tokens.idLimit {
      guard let token = tokens.bytes(of: id), token.starts(with: opening), token.last == UInt8(ascii: ">") else {
        continue
      }
      guard let byte = byteValue(token, allowsLowercase: false) else {
        throw .malformedByteToken(String(decoding: token, as: UTF8.self))
      }
      ids[Int(byte)] = Int32(id)
    }
    return ids
  }

  /// The byte of a token `<0xNN>`.
  static func byteValue(_ token: some Collection<UInt8>, allowsLowercase: Bool) -> UInt8? {
    guard token.count == 6, token.starts(with: "<0x".utf8) else { return nil }
    var value: UInt8 = 0
    for (i, byte) in token.enumerated() where i >= 3 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9") where i < 5: value = value << 4 | (byte - 48)
      case UInt8(ascii: "A")...UInt8(ascii: "F") where i < 5: value = value << 4 | (byte - 55)
      case UInt8(ascii: "a")...UInt8(ascii: "f") where i < 5 && allowsLowercase: value = value << 4 | (byte - 87)
      case UInt8(ascii: ">") where i == 5: break
      default: return nil
      }
    }
    return value
  }
}
