/// Finds the latest place where a sequence had its latest tokens before: what followed there may follow again.
enum PromptLookup {
  /// Fewest tokens that must be the same, and as many as are looked at to find the best place.
  static let (fewest, most) = (3, 12)
  /// How far back is looked: a pass over this takes tens of microseconds.
  private static let window = 1 << 15

  /// `count` tokens that followed the longest of the latest runs of `tokens` and then `more` where they came before,
  /// the latest of equally long ones, and how long it is; none where no three are the same. Where it reaches the end it
  /// goes on with what it gave.
  static func continuation(of tokens: [Int32], and more: [Int32] = [], count: Int) -> (same: Int, tokens: [Int32]) {
    let total = tokens.count + more.count
    guard count > 0, total > fewest else { return (0, []) }
    return tokens.withUnsafeBufferPointer { tokens in
      func at(_ i: Int) -> Int32 { i < tokens.count ? tokens[i] : more[i - tokens.count] }
      let last = at(total - 1)
      var (best, length) = (-1, fewest - 1)
      var end = total - 2
      while end >= max(fewest - 1, total - window), length < most {
        if at(end) == last {
          var same = 1
          while same < most, same <= end, at(end - same) == at(total - 1 - same) { same += 1 }
          if same > length { (best, length) = (end, same) }
        }
        end -= 1
      }
      guard best >= 0 else { return (0, []) }
      var found: [Int32] = []
      for i in (best + 1)..<(best + 1 + count) { found.append(i < total ? at(i) : found[i - total]) }
      return (length, found)
    }
  }
}
