/// What a step brings in which each sequence's last token is followed by drafts: rows more, and tokens more.
package struct Drafts: Sendable, Equatable {
  /// Of a sequence in a step: its last token and the drafts after it.
  package let rowsPerSequence: Int
  /// That a sequence gets of a step: one, and each draft up to the first that is wrong.
  package let tokensPerStep: Double
  /// Whether a prediction module makes them: one more layer, its projection and the head once more, for every row.
  package let predicts: Bool

  /// `acceptance`: by place after the last token, the share of drafts that are right with all before them; of one
  /// number *a*, place *k* has *a*^*k*. Places beyond those given are as the last one, times the share of the last in
  /// the one before.
  package init?(acceptance: [Double], draftTokens: Int, predicts: Bool) {
    guard let first = acceptance.first, draftTokens > 0,
      acceptance.allSatisfy({ (0...1).contains($0) }), zip(acceptance, acceptance.dropFirst()).allSatisfy({ $0 >= $1 })
    else { return nil }
    var (places, last) = (Array(acceptance.prefix(draftTokens)), acceptance.count)
    let ratio = last > 1 && acceptance[last - 2] > 0 ? acceptance[last - 1] / acceptance[last - 2] : first
    while last < draftTokens {
      places.append((places.last ?? 0) * ratio)
      last += 1
    }
    (rowsPerSequence, tokensPerStep) = (1 + draftTokens, 1 + places.reduce(0, +))
    self.predicts = predicts
  }
}
