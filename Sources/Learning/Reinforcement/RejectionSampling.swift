import Evaluation
import Fabric
import JSON
import Rewards
import Training

/// Completions of prompts, sampled and judged some prompts at a time, of which some are kept to be learnt from.
package struct RejectionSampling {
  /// Which completions are kept: all that are right, each prompt's best, or all.
  package enum Choice: String, Sendable, CaseIterable { case right, best, all }

  package struct Settings: Sendable {
    /// Completions of each prompt.
    package var samples: Int
    package var maxNewTokens: Int
    package var keep: Choice
    /// Divides logits; 0 takes the most probable token.
    package var temperature = 1.0
    package var seed: UInt64 = 0

    package init(samples: Int, maxNewTokens: Int, keep: Choice) {
      (self.samples, self.maxNewTokens, self.keep) = (samples, maxNewTokens, keep)
    }
  }

  /// What came of all completions so far.
  package struct Counts: Sendable {
    package fileprivate(set) var right = 0
    package fileprivate(set) var noAnswer = 0
    package fileprivate(set) var cut = 0
    package fileprivate(set) var kept = 0
    package fileprivate(set) var tokens = 0
  }

  /// Completions sampled at a time.
  private static let portion = 4096

  private let prompts: [PolicyPrompts.Prompt]
  private let settings: Settings
  private let rollouts: Rollouts
  private let judge: CompletionJudge
  private let isRoot: Bool
  /// Prompts whose completions were sampled and judged.
  package private(set) var done = 0
  /// On rank 0.
  package private(set) var counts = Counts()
  /// A line of JSON for each that is kept: a conversation with its answer, or a prompt with its completion. On rank 0.
  package private(set) var lines = ""

  package init(
    of prompts: [PolicyPrompts.Prompt], _ settings: Settings, by rollouts: Rollouts, _ judge: CompletionJudge,
    on communicator: any Communicator
  ) {
    (self.prompts, self.settings, self.rollouts, self.judge) = (prompts, settings, rollouts, judge)
    isRoot = communicator.isRoot
  }

  package var promptCount: Int { prompts.count }

  /// Samples and judges completions of the next prompts; false where none is left. Collective; throws `StepInterrupted`
  /// on all ranks when one was told to stop.
  package mutating func next() throws -> Bool {
    guard done < prompts.count else { return false }
    let seeds = RandomStream(seed: settings.seed, purpose: "samples")
    let own = done..<min(done + max(1, Self.portion / settings.samples), prompts.count)
    var requests: [RolloutRequest] = []
    for place in own {
      for sample in 0..<settings.samples {
        requests.append(
          RolloutRequest(
            prompt: prompts[place].tokens, maxNewTokens: settings.maxNewTokens, temperature: settings.temperature,
            seeds: seeds, place: place, sample: sample))
      }
    }
    let asked = own.flatMap { Array(repeating: prompts[$0], count: settings.samples) }
    let completions = try rollouts.sample(requests) { asked[$0].rewarded.number }
    let verdicts = try judge.verdicts(completions, prompts: asked, tokenLimit: settings.maxNewTokens)
    if isRoot { try take(asked, completions, verdicts) }
    done = own.upperBound
    return true
  }

  private mutating func take(
    _ asked: [PolicyPrompts.Prompt], _ completions: [Completion], _ verdicts: [RewardVerdict]
  ) throws {
    let size = settings.samples
    for group in 0..<(completions.count / size) {
      let places = (group * size)..<((group + 1) * size)
      let best = places.max { (verdicts[$0].reward, -$0) < (verdicts[$1].reward, -$1) }
      for place in places {
        counts.tokens += completions[place].tokens.count
        if verdicts[place].outcome == .right { counts.right += 1 }
        if verdicts[place].outcome == .noAnswer { counts.noAnswer += 1 }
        if completions[place].isCut { counts.cut += 1 }
        let isKept =
          switch settings.keep {
          case .right: verdicts[place].outcome == .right
          case .best: place == best
          case .all: true
          }
        // What says nothing teaches nothing.
        guard isKept, completions[place].tokens.count > 1 || completions[place].isCut else { continue }
        counts.kept += 1
        let sample = try judge.sample(completions[place], asked[place], tokenLimit: settings.maxNewTokens)
        lines += Self.line(sample, verdicts[place]).text() + "\n"
      }
    }
  }

  private static func line(_ sample: RewardedSample, _ verdict: RewardVerdict) -> JSONValue {
    var line = JSONObject()
    switch sample.prompt.content {
    case .text(let prompt):
      line["prompt"] = .string(prompt)
      line["completion"] = .string(sample.completion)
    case .messages(let messages, let tools):
      line["messages"] = .array(messages + [["role": "assistant", "content": .string(sample.answer.text)]])
      if let tools { line["tools"] = tools }
    }
    for key in ["answer", "numbers", "falsehoods"] { if let value = sample.prompt.line[key] { line[key] = value } }
    line["reward"] = .double(verdict.reward)
    if let outcome = verdict.outcome { line["outcome"] = .string(outcome.rawValue) }
    return .object(line)
  }
}
