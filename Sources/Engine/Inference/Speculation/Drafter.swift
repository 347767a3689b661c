/// Makes drafts on rank 0, of what the prediction module guessed at a sequence's home and of what the sequence had
/// before.
struct Drafter: Sendable {
  let predicts: Bool
  let looksUp: Bool
  /// Most drafts of a sequence in a step.
  let limit: Int
  let adapts: Bool

  /// Up to `count` tokens that may follow a sequence's; `prediction`: what the module takes for the next one, and
  /// `further` for those after it, where it guesses several.
  func drafts(
    after tokens: [Int32], prediction: Int32?, further: ArraySlice<Int32> = [], atMost count: Int
  ) -> [Int32] {
    guard count > 0 else { return [] }
    let guesses = predicts ? prediction.map { [$0] + further.prefix(count - 1) } ?? [] : []
    guard looksUp else { return guesses }
    let (same, found) = PromptLookup.continuation(of: tokens, count: count)
    // The module knows the text better than a few tokens do, and not better than many.
    guard let first = guesses.first, found.first != first, same < PromptLookup.most else { return found }
    return guesses + PromptLookup.continuation(of: tokens, and: guesses, count: count - guesses.count).tokens
  }
}

/// What a plan is to do about drafts.
struct Drafting {
  let drafter: Drafter
  /// Whether it drafts.
  var isOn = true
  /// Whether the prediction module reads prompts also where nothing is drafted.
  var readsPrompts = true
}
