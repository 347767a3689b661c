import ArgumentParser
import Checkpoints
import DistributedTraining
import Evaluation
import Fabric
import Inference
import JSON
import Machine
import ModelText
import Reinforcement
import Rewards
import Training

/// `martinet sample`: completions of prompts with checkable answers, of which those are kept that are right.
struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sample answers to prompts and keep the right ones (rejection sampling).",
    discussion: """
      martinet sample --model DIR --prompts prompts.jsonl --reward numeric --out right.jsonl
      martinet train sft --model BASE --data right.jsonl --out OUT --steps 300
      Prompts and rewards are those of train grpo. A line of --out is a conversation with its answer, or a prompt with
      its completion, as train sft and train distill take them. The same seed samples the same answers at any number of
      ranks.
      """)

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
  var keep = RejectionSampling.Choice.right
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
      var settings = RejectionSampling.Settings(samples: samples, maxNewTokens: maxNewTokens, keep: keep)
      (settings.temperature, settings.seed) = (temperature, seed)
      var sampling = RejectionSampling(
        of: laidOut.prompts, settings, by: Rollouts(session, stopTokens: stopTokens),
        CompletionJudge(rules, codec: codec, stopTokens: stopTokens, on: communicator), on: communicator)
      let began = ContinuousClock.now
      do { try sample(&sampling, isRoot: communicator.isRoot) } catch {
        // What was kept so far is not lost.
        if communicator.isRoot { try ReportFile.replace(out, with: sampling.lines) }
        guard error is StepInterrupted else { throw error }
        throw ToldFailure(error: InferenceError.interrupted)
      }
      if communicator.isRoot { tell(sampling, seconds: (ContinuousClock.now - began) / .seconds(1)) }
    }
  }

  /// Writes what is kept after each portion.
  private func sample(_ sampling: inout RejectionSampling, isRoot: Bool) throws {
    var bar = ProgressBar("sampling")
    while try sampling.next() {
      guard isRoot else { continue }
      try ReportFile.replace(out, with: sampling.lines)
      bar.show(sampling.done, of: sampling.promptCount, "right \(sampling.counts.right)")
    }
    bar.finish()
  }

  private func tell(_ sampling: RejectionSampling, seconds: Double) {
    let (counts, prompts) = (sampling.counts, sampling.promptCount)
    let count = prompts * samples
    let share = Proportion(counts.right, of: count)
    if json {
      let result: JSONValue = [
        "prompts": .int(prompts), "completions": .int(count), "right": .int(counts.right),
        "no_answer": .int(counts.noAnswer), "cut": .int(counts.cut), "kept": .int(counts.kept),
        "accuracy": .double(share.mean),
        "interval": [.double(share.interval.lowerBound), .double(share.interval.upperBound)],
        "tokens": .int(counts.tokens), "mean_length": .double(Double(counts.tokens) / Double(max(1, count))),
        "seconds": .double(seconds), "tokens_per_second": .double(Double(counts.tokens) / max(seconds, 1e-9)),
      ]
      return show(result.text())
    }
    func percent(_ value: Double) -> String { String(Int((value * 1000).rounded()) / 10) }
    show(
      """
      \(count) completions of \(prompts) prompts, \(counts.right) right (\(percent(share.mean)) %, \
      \(percent(share.interval.lowerBound)) to \(percent(share.interval.upperBound)) %); \(counts.kept) kept in \
      \(out); \(Int(Double(counts.tokens) / max(seconds, 1e-9))) tokens/s
      """
    )
  }
}

extension RejectionSampling.Choice: ExpressibleByArgument {}
