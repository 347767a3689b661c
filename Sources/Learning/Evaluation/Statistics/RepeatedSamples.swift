/// What several answers to one item say.
package enum RepeatedSamples {
  /// The chance that of `k` answers, taken from `count` of which `right` are right, one at least is right: 1 − C(n − c,
  /// k) / C(n, k), as a product (Chen et al., arXiv 2107.03374, section 2.1). Nil where there are fewer than k.
  package static func passAt(_ k: Int, count: Int, right: Int) -> Double? {
    guard k >= 1, count >= k, (0...count).contains(right) else { return nil }
    guard count - right >= k else { return 1 }
    var miss = 1.0
    for i in (count - right)..<count { miss *= 1 - Double(k) / Double(i + 1) }
    return 1 - miss
  }

  /// The answer given most often; of equally frequent ones the one that came first. Answers that are nil have no vote.
  package static func majority(_ answers: [String?]) -> String? {
    var votes: [String: Int] = [:]
    var order: [String] = []
    for case let answer? in answers {
      if votes[answer] == nil { order.append(answer) }
      votes[answer, default: 0] += 1
    }
    var best: String?
    for answer in order where votes[answer] ?? 0 > best.flatMap({ votes[$0] }) ?? 0 { best = answer }
    return best
  }
}
