/// Makes drafts on rank 0, of what the prediction module guessed at a sequence's home and of what the sequence had
/// before.
struct Drafter: Sendable {
  let predicts: Bool
  let looksUp: Bool
  /// Most drafts of a sequence in a step.
  let limit: Int
  let adapts: Bool

  /// Up to `count` tokens that may follow a sequence's; `prediction`: what the module takes for the next one.
  func drafts(after tokens: [Int32], prediction: Int32?, atMost count: Int) -> [Int32] {
    guard count > 0 else { return [] }
    let prediction = predicts ? prediction : nil
    guard looksUp else { return prediction.map { [$0] } ?? [] }
    let (same, found) = PromptLookup.continuation(of: tokens, count: count)
    // The module knows the text better than a few tokens do, and not better than many.
    guard let prediction, found.first != prediction, same < PromptLookup.most else { return found }
    return [prediction] + PromptLookup.continuation(of: tokens, and: [prediction], count: count - 1).tokens
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
