import ArgumentParser
import Checkpoints
import Evaluation
import Fabric
import Inference
import JSON
import Machine
import ModelText
import Pretraining
import Reinforcement
import Rewards
import Training

/// `martinet sample`: completions of prompts with checkable answers, of which those are kept that are right.
struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw answers to prompts and keep the right ones (rejection sampling).",
    discussion: """
      martinet sample --model DIR --prompts prompts.jsonl --reward numeric --out right.jsonl
      martinet train sft --model BASE --data right.jsonl --out OUT --steps 300
      Prompts and rewards are those of train grpo. A line of --out is a conversation with its answer, or a prompt with
      its completion, as train sft and train distill take them. The same seed draws the same answers at any number of
      ranks.
      """)

  /// Which completions are kept.
  enum Keep: String, CaseIterable, ExpressibleByArgument { case right, best, all }

  @OptionGroup var model: ModelOptions
  @OptionGroup var template: TemplateOptions
  @Option(
    help: ArgumentHelp(
      "Prompts: lines {\"messages\": […], \"answer\": …} or {\"prompt\": …, \"answer\": …}.", valueName: "file.jsonl"))
  var prompts: String
  @OptionGroup var reward: RewardFlags
  @Option(help: ArgumentHelp("Where what is kept goes.", valueName: "file.jsonl")) var out: String
  @Option(parsing: .unconditional, help: ArgumentHelp("Completions of each prompt.", valueName: "n")) var samples = 1
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Divides logits; 0 takes the most probable token.", valueName: "t"))
  var temperature = 1.0
  @Option(parsing: .unconditional, help: ArgumentHelp("Most tokens of a completion.", valueName: "tokens"))
  var maxNewTokens = 256
  @Option(parsing: .unconditional, help: "Of what is sampled.") var seed: UInt64 = 0
  @Option(parsing: .unconditional, help: ArgumentHelp("The first prompts only.", valueName: "n")) var limit: Int?
  @Option(
    help: ArgumentHelp(
      "What is kept: all that are right, each prompt's best, or all.", valueName: "right|best|all"))
  var keep = Keep.right
  @Flag(help: "Print what came of it as JSON.") var json = false

  func validate() throws {
    try require("samples", samples, in: 1...100_000)
    try require("max-new-tokens", maxNewTokens, in: 1...10_000_000)
    try require("limit", limit, in: 1...(1 << 40))
    try require("temperature", temperature, in: 0...100)
  }

  func run() throws {
    try withRanks { communicator in
      let (rules, list) = try agree(on: communicator) {
        let rules = try reward.rules()
        let list = try PromptFile.read(prompts, requiresAnswers: rules.needsAnswers)
        try rules.check(list, file: prompts)
        if communicator.isRoot {
          guard !ReportFile.isSame(prompts, out) else {
            throw ValidationError("--out \"\(out)\" would overwrite the prompts; name another file")
          }
          try ReportFile.check(out)
        }
        return (rules, limit.map { Array(list.prefix($0)) } ?? list)
      }
      defer { rules.close() }
      if communicator.isRoot { for note in rules.notes { say("martinet: \(note)") } }
      var found: (PolicyPrompts, Set<Int32>, TextCodec)?
      let session = try model.open(communicator) { checkpoint, description in
        let codec = try template.codec(checkpoint)
        let laidOut = try PolicyPrompts(
          list, file: prompts, codec: codec, description: description, maxNewTokens: maxNewTokens, seed: seed)
        try laidOut.check(rules)
        found = (laidOut, try StopTokens.read(checkpoint, tokenizerEnd: codec.endToken), codec)
        return laidOut.longest + maxNewTokens
      }
      guard let (laidOut, stopTokens, codec) = found else { return }
      try Interrupt.install()
      var run = SampleRun(
        rollouts: Rollouts(session, stopTokens: stopTokens),
        judge: CompletionJudge(rules, codec: codec, stopTokens: stopTokens, on: communicator), prompts: laidOut.prompts,
        command: self, isRoot: communicator.isRoot)
      do { try run.draw() } catch {
        // What was kept so far is not lost.
        try run.write()
        guard error is StepInterrupted else { throw error }
        throw ToldFailure(error: InferenceError.interrupted)
      }
      run.end()
    }
  }
}

/// Draws and judges some prompts at a time, and writes what is kept.
private struct SampleRun {
  /// Completions drawn at a time.
  private static let portion = 4096

  let rollouts: Rollouts
  let judge: CompletionJudge
  let prompts: [PolicyPrompts.Prompt]
  let command: Sample
  let isRoot: Bool
  private var lines = ""
  private var (right, noAnswer, cut, kept, tokens): (Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0)
  private let began = ContinuousClock.now

  init(rollouts: Rollouts, judge: CompletionJudge, prompts: [PolicyPrompts.Prompt], command: Sample, isRoot: Bool) {
    (self.rollouts, self.judge, self.prompts) = (rollouts, judge, prompts)
    (self.command, self.isRoot) = (command, isRoot)
  }

  mutating func draw() throws {
    let seeds = RandomStream(seed: command.seed, purpose: "samples")
    let each = max(1, Self.portion / command.samples)
    var bar = ProgressBar("sampling")
    for first in stride(from: 0, to: prompts.count, by: each) {
      let own = first..<min(first + each, prompts.count)
      var requests: [RolloutRequest] = []
      for place in own {
        for sample in 0..<command.samples {
          requests.append(
            RolloutRequest(
              prompt: prompts[place].tokens, maxNewTokens: command.maxNewTokens, temperature: command.temperature,
              seeds: seeds, place: place, sample: sample))
        }
      }
      let asked = own.flatMap { Array(repeating: prompts[$0], count: command.samples) }
      let completions = try rollouts.draw(requests) { asked[$0].rewarded.number }
      let verdicts = try judge.verdicts(completions, prompts: asked, tokenLimit: command.maxNewTokens)
      if isRoot {
        try take(asked, completions, verdicts)
        try write()
        bar.show(own.upperBound, of: prompts.count, "right \(right)")
      }
    }
    bar.finish()
    try write()
  }

  /// Writes what is kept so far; on rank 0.
  func write() throws {
    if isRoot { try ReportFile.replace(command.out, with: lines) }
  }

  private mutating func take(
    _ asked: [PolicyPrompts.Prompt], _ completions: [Completion], _ verdicts: [RewardVerdict]
  ) throws {
    let size = command.samples
    for group in 0..<(completions.count / size) {
      let places = (group * size)..<((group + 1) * size)
      let best = places.max { (verdicts[$0].reward, -$0) < (verdicts[$1].reward, -$1) }
      for place in places {
        tokens += completions[place].tokens.count
        if verdicts[place].outcome == .right { right += 1 }
        if verdicts[place].outcome == .noAnswer { noAnswer += 1 }
        if completions[place].isCut { cut += 1 }
        let isKept =
          switch command.keep {
          case .right: verdicts[place].outcome == .right
          case .best: place == best
          case .all: true
          }
        // What says nothing teaches nothing.
        guard isKept, completions[place].tokens.count > 1 || completions[place].isCut else { continue }
        kept += 1
        let sample = try judge.sample(completions[place], asked[place], tokenLimit: command.maxNewTokens)
        lines += line(sample, verdicts[place]).text() + "\n"
      }
    }
  }

  private func line(_ sample: RewardedSample, _ verdict: RewardVerdict) -> JSONValue {
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

  func end() {
    guard isRoot else { return }
    let seconds = (ContinuousClock.now - began) / .seconds(1)
    let count = prompts.count * command.samples
    let share = Proportion(right, of: count)
    if command.json {
      let result: JSONValue = [
        "prompts": .int(prompts.count), "completions": .int(count), "right": .int(right),
        "no_answer": .int(noAnswer), "cut": .int(cut), "kept": .int(kept), "accuracy": .double(share.mean),
        "interval": [.double(share.interval.lowerBound), .double(share.interval.upperBound)],
        "tokens": .int(tokens), "mean_length": .double(Double(tokens) / Double(max(1, count))),
        "seconds": .double(seconds), "tokens_per_second": .double(Double(tokens) / max(seconds, 1e-9)),
      ]
      return show(result.text())
    }
    func percent(_ value: Double) -> String { String(Int((value * 1000).rounded()) / 10) }
    show(
      """
      \(count) completions of \(prompts.count) prompts, \(right) right (\(percent(share.mean)) %, \
      \(percent(share.interval.lowerBound)) to \(percent(share.interval.upperBound)) %); \(kept) kept in \
      \(command.out); \(Int(Double(tokens) / max(seconds, 1e-9))) tokens/s
      """
    )
  }
}
