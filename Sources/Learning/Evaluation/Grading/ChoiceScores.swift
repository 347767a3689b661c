/// How probable a model finds each choice of an item.
package struct ChoiceScores: Sendable, Equatable {
  /// Σ log p of each choice's tokens.
  package var logprobs: [Double]
  /// UTF-8 bytes of each choice, without what separates it from the question.
  package var byteCounts: [Int]

  package init(logprobs: [Double], byteCounts: [Int]) { (self.logprobs, self.byteCounts) = (logprobs, byteCounts) }

  /// The most probable; of equal ones the first. nil where a number is none.
  package var best: Int? { Self.first(logprobs) }

  /// The most probable by the byte (lm-evaluation-harness's `acc_norm`); an empty choice counts as one byte.
  package var bestPerByte: Int? { Self.first(zip(logprobs, byteCounts).map { $0 / Double(max($1, 1)) }) }

  private static func first(_ values: [Double]) -> Int? {
    guard let most = values.max(), !values.contains(where: \.isNaN) else { return nil }
    return values.firstIndex(of: most)
  }

  /// `target`: the right choice's index.
  package func verdict(target: Int, choices: [String]) -> Verdict {
    guard let best, choices.indices.contains(best) else {
      return Verdict(.unscored, rule: "a log-probability is no number")
    }
    return Verdict(best == target ? .right : .wrong, rule: "most probable choice", extracted: choices[best])
  }
}
