import JSON
import Telemetry
import Testing

@testable import Reports

/// What a page remembers of reinforcement learning.
struct PolicyHistoryTests {
  /// Half of a step's 8 completions are right; the reward is the step's number; every third step knows which routes
  /// changed.
  private func history(steps: Int, transcripts: Int = 1) -> TrainingHistory {
    var history = TrainingHistory(layers: [1], expertCount: 2)
    for step in 1...max(steps, 1) where step <= steps {
      var values: [PolicyMetric: Double] = [.reward: Double(step), .maxLogRatio: 0, .entropy: .nan]
      if step % 3 == 0 { values[.changedRoutes] = 0.25 }
      let policy = PolicyStep(
        completions: .init(count: 8, tokens: 100, graded: 8, right: 4, noAnswer: 2, cut: 1), values: values,
        parts: [("numeric", 0.5), ("format", Double(step))])
      history.add(
        step: step, Array(repeating: 0.5, count: TrainingMetric.count), loads: [1: [1, 2]], policy: policy)
      if step % 10 == 0 { history.addAccuracy(step: step, right: 7, count: 10) }
      for _ in 0..<transcripts { history.addTranscript(transcript(step)) }
    }
    return history
  }

  private func transcript(_ step: Int) -> Transcript {
    Transcript(
      step: step, prompt: "1+\(step)=", completion: "<think>…</think>\(step + 1)", expected: "\(step + 1)",
      outcome: "right", reward: 1.1, advantage: -0.25, tokens: 7)
  }

  @Test(arguments: [1, 9, 512, 513, 3000])
  func stepsAreCountedAndPutTogetherWhateverTheirNumber(steps: Int) throws {
    let bins = history(steps: steps).bins
    let counts = bins.reduce(into: PolicyStep.Completions()) { $0.add($1.policy.completions) }
    #expect(
      counts
        == .init(
          count: 8 * steps, tokens: 100 * steps, graded: 8 * steps, right: 4 * steps, noAnswer: 2 * steps, cut: steps))
    for bin in bins {
      let reward = try #require(bin.policy.metrics[.reward])
      #expect(reward.steps == bin.steps && abs(reward.mean - Double(bin.first + bin.last) / 2) < 1e-9)
      #expect(reward.least == Double(bin.first) && reward.most == Double(bin.last))
      #expect(bin.policy.metrics[.entropy] == nil, "what is no number was not told")
      #expect(bin.policy.parts["numeric"]?.mean == 0.5 && bin.policy.parts["format"]?.most == Double(bin.last))
      let thirds = (bin.first...bin.last).count { $0 % 3 == 0 }
      #expect(bin.policy.metrics[.changedRoutes]?.steps == (thirds > 0 ? thirds : nil))
      #expect(thirds == 0 || bin.policy.metrics[.changedRoutes]?.mean == 0.25)
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    for steps in [0, 5, 30, 700] {
      let history = history(steps: steps)
      let text = history.json.text()
      let read = try TrainingHistory(json: try JSONValue(parsing: text), layers: [1], expertCount: 2)
      #expect(read == history && read.partNames == (steps > 0 ? ["numeric", "format"] : []), "\(steps) steps")
    }
  }

  @Test func anOlderHistoryHasNoPolicyAndGetsOne() throws {
    var old = TrainingHistory(layers: [1], expertCount: 2)
    old.add(step: 1, Array(repeating: 0.5, count: TrainingMetric.count), loads: [1: [1, 2]])
    #expect(old.json["policy"] == nil)
    var read = try TrainingHistory(json: try JSONValue(parsing: old.json.text()), layers: [1], expertCount: 2)
    #expect(read == old && !read.hasPolicy)
    read.add(
      step: 2, Array(repeating: 0.5, count: TrainingMetric.count),
      policy: PolicyStep(completions: .init(count: 1), values: [.reward: 3]))
    let means = read.json["policy"]?["metrics"]?["reward"]?["mean"]
    #expect(means?.array?.map(\.double) == [nil, 3])
  }

  @Test func aTrainingThatGoesBackForgetsWhatCameLater() {
    var history = history(steps: 60)
    history.goBack(to: 35)
    #expect(history.lastStep == 35 && history.accuracies.map(\.step) == [10, 20, 30])
    #expect(history.transcripts.last?.step == 35)
    history.addTranscript(transcript(34))
    #expect(history.transcripts.count == 35, "one of a step before the others is not kept")
  }

  /// From four a step of many, and from very many of few steps.
  @Test(arguments: [(120, 4), (2000, 1), (3, 500), (40, 16)])
  func transcriptsAreFewAndLieEvenlyOverTheSteps(steps: Int, each: Int) {
    let kept = history(steps: steps, transcripts: each).transcripts
    #expect(kept.count <= TrainingHistory.transcriptLimit && kept.count >= TrainingHistory.transcriptLimit / 2)
    #expect(kept.first?.step == 1 && kept.last?.step == steps)
    let all = Set(kept.map(\.step)).sorted()
    let gaps = zip(all, all.dropFirst()).map { $1 - $0 }
    #expect(gaps.max() ?? 0 <= 4 * max(1, steps * min(each, 16) / TrainingHistory.transcriptLimit + 1))
  }

  @Test func impossibleCountsAndManyPartsAreKeptInBounds() throws {
    var history = TrainingHistory(layers: [], expertCount: 0)
    let policy = PolicyStep(
      completions: .init(count: 4, tokens: .max, graded: 9, right: 7, noAnswer: -3, cut: 5),
      parts: (0..<40).map { (String(repeating: "p", count: 60) + "-\($0)-" + String(repeating: "q", count: 60), 1) })
    for step in 1...2 {
      history.add(step: step, Array(repeating: 0, count: TrainingMetric.count), policy: policy)
      history.addAccuracy(step: step, right: 5, count: 4)
    }
    let counts = history.bins[0].policy.completions
    #expect(counts.graded == 4 && counts.right == 4 && counts.noAnswer == 0 && counts.cut == 4)
    #expect(history.partNames.count == PolicySteps.partLimit && history.accuracies.isEmpty)
    #expect(history.partNames.allSatisfy { $0.count <= PolicySteps.nameLimit })
    #expect(try TrainingHistory(json: history.json, layers: [], expertCount: 0) == history)
  }

  /// Any number or text replaced by something else gives a history or an error, never a trap.
  @Test func aDamagedHistoryIsRefusedOrHarmless() throws {
    let whole = history(steps: 3).json.text()
    let (text, start) = (Array(whole.utf8), try #require(whole.firstRange(of: "\"policy\"")).lowerBound)
    let offset = whole[..<start].utf8.count
    var refused = 0
    for (i, byte) in text.enumerated().dropFirst(offset) where (48...57).contains(byte) || byte == 91 || byte == 123 {
      for replacement in ["-1", "1e999", "9007199254740992", "null", "\"x\"", "[]", "7.5", "0"] {
        let damaged = text[..<i] + Array(replacement.utf8) + text[(i + 1)...]
        guard let json = try? JSONValue(parsing: damaged) else { continue }
        do {
          var history = try TrainingHistory(json: json, layers: [1], expertCount: 2)
          history.add(
            step: 9, Array(repeating: 1, count: TrainingMetric.count),
            policy: PolicyStep(completions: .init(count: .max, tokens: .max), values: [.reward: 1]))
          history.addTranscript(transcript(9))
          _ = try TrainingHistory(json: history.json, layers: [1], expertCount: 2)
        } catch { refused += 1 }
      }
    }
    #expect(refused > 50)
  }
}
