import JSON

/// The merges that follow from SentencePiece's scores: of two neighbours that make a piece, those of the highest score
/// are joined first. All ways to make a piece of two others are merges, as the reference's converter has them: by
/// score, then by the lengths of both parts, greatest first.
struct PieceMerges {
  /// SentencePiece's own pieces have sixteen characters at most, unless it is told otherwise.
  private static let pieceByteLimit = 128
  private static let vocabularyLimit = 1 << 20

  private struct Merge {
    let left: String
    let right: String
    let score: Float
    let lengths: (left: Int, right: Int)
    let order: Int
  }

  private let tokenizer: GGUFTokenizer
  private let vocabulary: JSONObject

  /// `vocabulary`: ids by text.
  init(_ tokenizer: GGUFTokenizer, _ vocabulary: JSONObject) {
    (self.tokenizer, self.vocabulary) = (tokenizer, vocabulary)
  }

  func json() throws(CheckpointError) -> [JSONValue] {
    guard vocabulary.count <= Self.vocabularyLimit else {
      throw .tooMany(path: tokenizer.metadata.path, what: "pieces", limit: Self.vocabularyLimit)
    }
    let scores = try tokenizer.scores()
    var merges: [Merge] = []
    for (piece, value) in vocabulary.members {
      guard let id = value.exactInt, scores[id].isMade, piece.utf8.count <= Self.pieceByteLimit else { continue }
      merges += ways(to: piece, score: scores[id].score, after: merges.count)
    }
    merges.sort { a, b in
      if a.score != b.score { return a.score > b.score }
      if a.lengths.left != b.lengths.left { return a.lengths.left > b.lengths.left }
      if a.lengths.right != b.lengths.right { return a.lengths.right > b.lengths.right }
      return a.order < b.order
    }
    return merges.map { .array([.string($0.left), .string($0.right)]) }
  }

  /// The pairs of pieces that make `piece`, in the order of their ids.
  private func ways(to piece: String, score: Float, after count: Int) -> [Merge] {
    let scalars = piece.unicodeScalars
    var found: [(left: String, right: String, ids: (Int, Int), at: Int)] = []
    var index = scalars.startIndex
    for at in 1..<max(scalars.count, 1) {
      scalars.formIndex(after: &index)
      let (left, right) = (String(scalars[..<index]), String(scalars[index...]))
      guard let first = vocabulary[left]?.exactInt, let second = vocabulary[right]?.exactInt else { continue }
      found.append((left, right, (first, second), at))
    }
    found.sort { $0.ids < $1.ids }
    return found.enumerated().map { offset, way in
      Merge(
        left: way.left, right: way.right, score: score, lengths: (way.at, scalars.count - way.at), order: count + offset
      )
    }
  }
}
