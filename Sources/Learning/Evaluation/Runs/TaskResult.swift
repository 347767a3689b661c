import Glibc

/// What a model made of a task.
package struct TaskResult: Sendable {
  /// How often each outcome came, and what share is right.
  package struct Score: Sendable {
    package var counts: [Outcome: Int] = [:]
    /// Of those without an answer, and of others that were cut off.
    package var cut = 0
    /// nil where nothing counts.
    package var accuracy: Proportion?

    /// Right, wrong and without an answer.
    package var counted: Int { Outcome.allCases.filter(\.isCounted).reduce(0) { $0 + (counts[$1] ?? 0) } }
  }

  /// How probable texts are.
  package struct Likelihood: Sendable, Equatable {
    package var nats = 0.0
    package var tokenCount = 0
    package var byteCount = 0
    package var wordCount = 0

    package var bitsPerByte: Double { nats / log(2) / Double(byteCount) }
    package var bytePerplexity: Double { exp(nats / Double(byteCount)) }
    package var wordPerplexity: Double { exp(nats / Double(wordCount)) }
    package var tokenPerplexity: Double { exp(nats / Double(tokenCount)) }
  }

  package let task: EvaluationTask
  /// All of them, in the order of items and repeats.
  package let answers: [GradedAnswer]
  package let score: Score
  /// By kind of prompt, in the order in which kinds first come; empty where there are none.
  package let kinds: [(kind: String, score: Score)]
  /// Of multiple choice by the byte.
  package let accuracyPerByte: Proportion?
  /// With several answers to an item: the chance that one of k is right, over items, for k = 1, 2, 4 … and all.
  package let passAt: [(k: Int, mean: Double)]
  /// Items whose most frequent answer is right.
  package let consensus: Proportion?
  package let likelihood: Likelihood?

  init(task: EvaluationTask, answers: [GradedAnswer]) {
    (self.task, self.answers) = (task, answers)
    let description = task.description
    let repeats = description.repeats
    let groups = stride(from: 0, to: answers.count, by: repeats).map {
      Array(answers[$0..<min($0 + repeats, answers.count)])
    }
    // The answers that count, one or all of each item.
    let selected = groups.flatMap { group -> [GradedAnswer] in
      switch description.selection {
      case .all: group
      case .first: Array(group.prefix(1))
      case .majority: Self.majority(group).map { [$0] } ?? []
      }
    }
    let isClustered = description.selection == .all && repeats > 1
    score = Self.score(selected, byItem: isClustered)
    var order: [String] = []
    for answer in selected { if let kind = answer.item.kind, !order.contains(kind) { order.append(kind) } }
    kinds = order.map { kind in
      (kind, Self.score(selected.filter { $0.item.kind == kind }, byItem: isClustered))
    }
    let perByte = answers.compactMap { answer in answer.isRightPerByte.map { (answer, $0 ? 1.0 : 0.0) } }
    accuracyPerByte =
      perByte.isEmpty
      ? nil : Proportion(perByte.map(\.1), clusters: Self.clusters(perByte.map(\.0), byItem: false))
    passAt = repeats > 1 ? Self.passAt(groups, repeats: repeats) : []
    consensus = repeats > 1 ? Self.score(groups.compactMap(Self.majority), byItem: false).accuracy : nil
    likelihood = description.outputType == .rollingLikelihood ? Self.likelihood(answers) : nil
  }

  private static func score(_ answers: [GradedAnswer], byItem: Bool) -> Score {
    var score = Score()
    for answer in answers {
      score.counts[answer.verdict.outcome, default: 0] += 1
      if answer.verdict.isCut { score.cut += 1 }
    }
    let counted = answers.filter(\.verdict.outcome.isCounted)
    score.accuracy = Proportion(
      counted.map { $0.verdict.outcome == .right ? 1 : 0 }, clusters: clusters(counted, byItem: byItem))
    return score
  }

  /// nil where no two answers share one.
  private static func clusters(_ answers: [GradedAnswer], byItem: Bool) -> [String]? {
    guard byItem || answers.contains(where: { $0.item.cluster != nil }) else { return nil }
    let names = answers.map { $0.item.cluster ?? $0.item.id }
    return Set(names).count < names.count ? names : nil
  }

  /// The first of the answers that say what most say; the first of all where none says anything.
  private static func majority(_ group: [GradedAnswer]) -> GradedAnswer? {
    let said = group.map { $0.verdict.outcome == .noAnswer ? nil : $0.verdict.extracted }
    guard let most = RepeatedSamples.majority(said) else { return group.first }
    return zip(group, said).first { $0.1 == most }?.0
  }

  private static func passAt(_ groups: [[GradedAnswer]], repeats: Int) -> [(k: Int, mean: Double)] {
    let counts = groups.map { group in
      let counted = group.filter(\.verdict.outcome.isCounted)
      return (n: counted.count, right: counted.count { $0.verdict.outcome == .right })
    }
    var sizes = Array(sequence(first: 1) { $0 * 2 < repeats ? $0 * 2 : nil })
    if repeats > 1 { sizes.append(repeats) }
    return sizes.compactMap { k in
      let chances = counts.compactMap { RepeatedSamples.passAt(k, count: $0.n, right: $0.right) }
      return chances.isEmpty ? nil : (k, chances.reduce(0, +) / Double(chances.count))
    }
  }

  private static func likelihood(_ answers: [GradedAnswer]) -> Likelihood? {
    var sum = Likelihood()
    for answer in answers {
      guard let logprob = answer.logprob else { continue }
      sum.nats -= logprob
      sum.tokenCount += answer.tokenCount
      sum.byteCount += answer.text.utf8.count
      sum.wordCount += answer.text.split(whereSeparator: \.isWhitespace).count
    }
    return sum.tokenCount > 0 && sum.byteCount > 0 && sum.wordCount > 0 ? sum : nil
  }
}
