/// The vocabulary of a `tiktoken.model`: on each line a token's bytes in Base64 and its rank, which is its id.
///
/// Two tokens next to each other may be joined wherever their bytes together are a token, and the lowest of such ranks
/// goes first; a word that is a token is that token. So merges follow from the ranks: every way to cut a token into two
/// others is one, of that token's rank.
struct TikTokenVocabulary {
  /// Tokens as byte letters, as byte-level vocabularies of `tokenizer.json` have them.
  private(set) var tokens: TokenTable
  /// The bytes of each token, by rank.
  private var ranked: [(id: Int, bytes: [UInt8])] = []

  /// Longer tokens than are published: the ways to cut one grow with its length.
  static let tokenByteLimit = 1 << 10
  /// The sum of the squares of all tokens' lengths: work to find the merges.
  static let workLimit = 1 << 30

  /// `path` names the file in errors.
  init(_ text: [UInt8], path: String) throws(TokenizerError) {
    tokens = TokenTable(capacity: min(text.count / 8, BPEModel.vocabularyLimit))
    var work = 0
    var number = 0
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, text[end] != UInt8(ascii: "\n") { end += 1 }
      number += 1
      var line = text[start..<end]
      start = end + 1
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty { continue }
      func failure(_ reason: String) -> TokenizerError { .malformedLine(path: path, line: number, reason: reason) }
      guard let space = line.firstIndex(of: 0x20), let bytes = Base64.decode(line[..<space]), !bytes.isEmpty else {
        throw failure("it is not a token in Base64, a blank and a rank")
      }
      guard bytes.count <= Self.tokenByteLimit else {
        throw failure("the token has \(bytes.count) bytes, more than \(Self.tokenByteLimit)")
      }
      guard let id = Self.rank(line[(space + 1)...]), id < BPEModel.idLimit else {
        throw failure("the rank is no number from 0 to \(BPEModel.idLimit - 1)")
      }
      guard ranked.count < BPEModel.vocabularyLimit else {
        throw .limitExceeded(
          field: "the number of tokens in \(path)", value: ranked.count + 1, limit: BPEModel.vocabularyLimit)
      }
      work += bytes.count * bytes.count
      guard work <= Self.workLimit else {
        throw .limitExceeded(field: "the length of the tokens in \(path)", value: work, limit: Self.workLimit)
      }
      switch ByteLevelAlphabet.letters(of: bytes).withUnsafeBufferPointer({ tokens.insert($0, id: id) }) {
      case .added: ranked.append((id, bytes))
      case .idTaken: throw failure("the rank \(id) is another token's already")
      case .tokenTaken(let other): throw failure("the token has the rank \(other) already")
      }
    }
    ranked.sort { $0.id < $1.id }
  }

  var count: Int { ranked.count }

  /// The model that joins tokens by rank. Throws where a byte is no token by itself: nothing would stand for it.
  func model(path: String) throws(TokenizerError) -> BPEModel {
    let letters = ByteLevelAlphabet.encodedLetters.map { letter in
      Int32(letter.withUnsafeBufferPointer { tokens.id(of: $0) } ?? -1)
    }
    if let byte = letters.firstIndex(of: -1) {
      throw .unexpectedValue(field: "byte \(byte) of \(path)", found: "missing", expected: "a token by itself")
    }
    let found = try cuts(path: path)
    var merges = MergeTable(capacity: found.count)
    for cut in found { merges.insert(cut.left, cut.right, rank: cut.rank, id: Int32(ranked[Int(cut.rank)].id)) }
    return BPEModel(
      tokens: tokens, merges: merges, mergedIDs: ranked.map { Int32($0.id) }, unknownToken: nil, unknownID: nil,
      fusesUnknown: false, ignoresMerges: true, continuingPrefix: [], endOfWordSuffix: [], fallbackIDs: nil,
      letterIDs: letters, hasFastLetters: true)
  }

  private struct Cut {
    let left: Int32
    let right: Int32
    /// The joined token's place among all.
    let rank: UInt32
  }

  /// Every way to cut a token into two.
  private func cuts(path: String) throws(TokenizerError) -> [Cut] {
    var cuts: [Cut] = []
    var letters: [UInt8] = []
    var ends: [Int] = []
    for (rank, token) in ranked.enumerated() where token.bytes.count > 1 {
      letters.removeAll(keepingCapacity: true)
      ends.removeAll(keepingCapacity: true)
      for byte in token.bytes {
        letters.append(contentsOf: ByteLevelAlphabet.encodedLetters[Int(byte)])
        ends.append(letters.count)
      }
      letters.withUnsafeBufferPointer { letters in
        for end in ends.dropLast() {
          guard let left = tokens.id(of: UnsafeBufferPointer(rebasing: letters[..<end])),
            let right = tokens.id(of: UnsafeBufferPointer(rebasing: letters[end...]))
          else { continue }
          cuts.append(Cut(left: Int32(left), right: Int32(right), rank: UInt32(rank)))
        }
      }
      guard cuts.count <= BPEModel.mergeLimit else {
        throw .limitExceeded(field: "the number of merges in \(path)", value: cuts.count, limit: BPEModel.mergeLimit)
      }
    }
    return cuts
  }

  /// Decimal digits; nil for anything else, and for more than an id can have.
  private static func rank(_ digits: ArraySlice<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count < 10 else { return nil }
    var value = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }
}
