/// What a leaf of a step is, row by row: tokens that are read, and what is to be predicted after each.
package struct LeafRows {
  /// `[rows]`, as are all of these.
  package private(set) var tokens: [Int32] = []
  /// The token after each.
  package private(set) var next: [Int32] = []
  /// That token where it is learnt, else −1.
  package private(set) var targets: [Int32] = []
  /// The one after that, which a prediction module learns, else −1.
  package private(set) var ahead: [Int32] = []
  /// Rows of each sequence.
  package private(set) var sequences: [Range<Int>] = []

  package init() {}

  package var count: Int { tokens.count }

  /// Adds a sequence of at least two tokens, of which all but the first are predicted, or the first `predicted` of
  /// those. A token that is read and not learnt is there as its complement, `~id`.
  package mutating func append(_ sequence: some RandomAccessCollection<Int32>, predicted: Int = .max) {
    let first = count
    var following = sequence.dropFirst()
    for (i, token) in sequence.dropLast().enumerated() {
      guard let after = following.popFirst() else { break }
      tokens.append(Self.id(token))
      next.append(Self.id(after))
      targets.append(i < predicted ? max(after, -1) : -1)
      ahead.append(i + 1 < predicted ? max(following.first ?? -1, -1) : -1)
    }
    if count > first { sequences.append(first..<count) }
  }

  private static func id(_ token: Int32) -> Int32 { token < 0 ? ~token : token }
}
