extension TrainingHistory {
  /// Right answers among those to held-out prompts, sampled greedily after a step.
  package struct HeldOutAccuracy: Sendable, Equatable {
    package var step: Int
    package var right: Int
    package var count: Int
  }

  static let transcriptLimit = 300
  /// While transcripts are of more steps than this, whole steps are dropped.
  private static let transcriptSteps = 16

  /// Whether it is of reinforcement learning.
  var hasPolicy: Bool { !accuracies.isEmpty || !transcripts.isEmpty || bins.contains { !$0.policy.isEmpty } }

  /// Puts the names of a step's parts in the list, and takes those from it that have no place there.
  mutating func name(_ steps: inout PolicySteps, in order: [String]) {
    for name in order where !partNames.contains(name) && partNames.count < PolicySteps.partLimit {
      partNames.append(name)
    }
    steps.parts = steps.parts.filter { partNames.contains($0.key) }
  }

  /// Notes that after `step` steps `right` of `count` held-out problems were answered right.
  package mutating func addAccuracy(step: Int, right: Int, count: Int) {
    guard step > 0, count > 0, (0...count).contains(right), count < PolicyStep.Completions.limit else { return }
    accuracies.append(HeldOutAccuracy(step: step, right: right, count: count))
    accuracies = Self.thinned(accuracies)
  }

  /// Keeps a completion of a step that is not before those of the others. Where they are too many, some are dropped so
  /// that what remains lies evenly over the steps.
  package mutating func addTranscript(_ transcript: Transcript) {
    guard transcript.step >= transcripts.last?.step ?? 1 else { return }
    transcripts.append(transcript)
    while transcripts.count > Self.transcriptLimit {
      var steps: [Int] = []
      for transcript in transcripts where transcript.step != steps.last { steps.append(transcript.step) }
      if steps.count > Self.transcriptSteps {
        // The step whose neighbours are closest to each other; the first and the last stay.
        let places = 1..<(steps.count - 1)
        let gap = { (place: Int) in steps[place + 1] - steps[place - 1] }
        guard let dropped = places.min(by: { gap($0) < gap($1) }).map({ steps[$0] }) else { return }
        transcripts.removeAll { $0.step == dropped }
      } else {
        let all = transcripts
        transcripts = (1...Self.transcriptLimit).map { all[$0 * all.count / Self.transcriptLimit - 1] }
      }
    }
  }
}
