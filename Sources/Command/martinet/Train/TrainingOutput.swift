import DistributedTraining
import Evaluation
import JSON
import MoEModel
import Reports
import Training

/// What a training tells on rank 0: a table, or a line of JSON for every step.
struct TrainingOutput {
  private let work: TrainingWork
  private let stepCount: Int
  private let material: any TrainingMaterial
  /// Of all ranks together, in operations a second.
  private let peak: Double
  private let ranks: Int
  private let json: Bool
  private let isRoot: Bool
  private var table: TrainingTable

  init(
    _ description: DecoderDescription, settings: TrainingSettings, linesEvery: Int, material: any TrainingMaterial,
    peak: Double, ranks: Int, rates: TrainingCost.Rates, json: Bool, isRoot: Bool
  ) {
    let work = TrainingWork(description, sequenceLength: settings.sequenceLength)
    self.work = work
    (stepCount, self.material, self.peak, self.ranks) = (settings.steps, material, peak, ranks)
    (self.json, self.isRoot) = (json, isRoot)
    table = TrainingTable(
      description, ranks: ranks, of: material, every: linesEvery,
      showsCost: rates != TrainingCost.Rates()
    ) {
      work.utilization(tokensPerSecond: $0, peak: peak)
    }
  }

  /// The part of the peak, in what products are computed in, that so many tokens a second make use of.
  func utilization(tokensPerSecond: Double) -> Double { work.utilization(tokensPerSecond: tokensPerSecond, peak: peak) }

  mutating func begin(threads: Int) {
    guard isRoot, !json else { return }
    let million = { (count: Int) in Figures.decimals(Double(count) / 1e6, 2) + " M" }
    table.write(
      """
      \(million(work.parameterCount)) parameters, of which a token meets \(million(work.activeElements)); \
      \(Figures.decimals(work.operations / 1e6, 1)) MFLOP a token
      """
    )
    table.write(
      """
      \(material.summary); \(Figures.count(ranks, "rank")) of \(Figures.count(threads, "thread")), \
      \(Figures.decimals(peak / 1e9, 0)) GFLOP/s
      """
    )
  }

  /// `progress`: how far the training has come. `tasks`: what it gets right after the step, where it was asked.
  mutating func show(_ event: TrainingEvent, _ progress: TrainingWatch.Progress, tasks: [TaskResult]? = nil) {
    guard isRoot else { return }
    switch event {
    case .step(let report) where json: martinet.show(line(report, tasks).text())
    case .step(let report):
      if let skipped = report.skipped {
        table.write("step \(report.number) skipped, \(skipped.count) in all: \(skipped.reason)")
      }
      table.add(report, progress, isLast: report.number == stepCount)
      for result in tasks ?? [] { table.write("step \(report.number), \(Self.words(result))") }
    case .saved(_, let path, let seconds) where !json:
      table.write("saved \(path) in \(Figures.decimals(seconds, 1)) s")
    case .resumed(let step, let path) where !json: table.write("goes on after step \(step), from \(path)")
    case .waitsForCheckpoints(let needed, let available):
      say(
        """
        martinet: checkpoints are written between steps: in the background they would take \(Figures.size(needed)) \
        more of each rank, and \(Figures.size(available)) are there (--checkpoints)
        """
      )
    case .saved, .resumed: break
    }
  }

  /// Ends with some lines.
  mutating func end(_ lines: [String]) {
    guard isRoot, !json else { return }
    table.end()
    for line in lines { table.write(line) }
  }

  /// A step's line. Its times are `tokens_per_second`, `mfu` and `seconds`; all else is the same text at any number of
  /// ranks.
  private func line(_ report: StepReport, _ tasks: [TaskResult]?) -> JSONValue {
    let result = report.result
    let utilization = utilization(tokensPerSecond: report.tokensPerSecond)
    var line = JSONObject([
      ("step", .int(report.number)), ("loss", .double(result.loss)), ("tokens", .int(report.tokens)),
      ("tokens_per_second", .double(report.tokensPerSecond)), ("gradient_norm", .double(result.gradientNorm)),
      ("learning_rate", .double(report.learningRate)), ("mfu", .double(utilization)),
      ("load_max_over_mean", .double(result.loadMaxOverMean)), ("seconds", .double(report.seconds)),
    ])
    if let loss = report.heldOutLoss { line["held_out_loss"] = .double(loss) }
    if let policy = report.policy { add(policy, to: &line) }
    if let distillation = report.distillation { add(distillation, to: &line) }
    if case .accuracy(let right, let count, let length)? = report.heldOut {
      line["held_out_accuracy"] = .double(Double(right) / Double(max(1, count)))
      line["held_out_interval"] = Self.interval(right, of: count)
      line["held_out_length"] = .double(length)
    }
    if let loss = result.predictionLoss { line["prediction_loss"] = .double(loss) }
    line["balance_loss"] = .double(result.balanceLoss)
    line["dead_experts"] = .int(result.deadExpertCount)
    if let skipped = report.skipped {
      line["skipped"] = .int(skipped.count)
      line["skipped_because"] = .string(skipped.reason)
    }
    if let tasks { line["tasks"] = .array(tasks.map { .object($0.summary) }) }
    return .object(line)
  }

  /// A task's name, and what came of it.
  private static func words(_ result: TaskResult) -> String {
    let name = result.task.description.name
    if let likelihood = result.likelihood {
      return "\(name): \(Figures.decimals(likelihood.bitsPerByte, 3)) bits per byte"
    }
    guard let accuracy = result.score.accuracy else { return "\(name): nothing that counts" }
    func percent(_ share: Double) -> String { Figures.decimals(100 * share, 1) }
    return
      """
      \(name): \(percent(accuracy.mean)) % right of \(result.score.counted) \
      (\(percent(accuracy.interval.lowerBound)) to \(percent(accuracy.interval.upperBound)) %)
      """
  }

  /// Wilson's, of 95 %.
  private static func interval(_ right: Int, of count: Int) -> JSONValue {
    let interval = Proportion(right, of: count).interval
    return [.double(interval.lowerBound), .double(interval.upperBound)]
  }

  /// What a step of learning from a teacher has more.
  private func add(_ step: DistillationReport, to line: inout JSONObject) {
    line["entropy"] = .double(step.entropy)
    line["cross_entropy"] = .double(step.crossEntropy)
    line["teacher_seconds"] = .double(step.teacherSeconds)
    guard step.completions > 0 else { return }
    line["completions"] = .int(step.completions)
    line["own_completions"] = .int(step.ownCompletions)
    line["cut"] = .int(step.cut)
    line["mean_length"] = .double(step.meanLength)
    line["drawn_tokens"] = .int(step.sampledTokens)
    line["rollout_seconds"] = .double(step.rolloutSeconds)
    line["rollout_tokens_per_second"] = .double(step.rolloutTokensPerSecond)
  }

  /// What a step of reinforcement learning has more.
  private func add(_ policy: PolicyReport, to line: inout JSONObject) {
    line["reward"] = .double(policy.reward)
    line["accuracy"] = .double(policy.accuracy)
    line["accuracy_interval"] = Self.interval(policy.right, of: policy.count)
    line["mean_length"] = .double(policy.meanLength)
    line["entropy"] = .double(policy.entropy)
    line["max_log_ratio"] = .double(policy.maxLogRatio)
    line["signal_groups"] = .int(policy.signalGroups)
    line["groups"] = .int(policy.groups)
    line["rewards"] = .object(JSONObject(policy.parts.map { ($0.name, .double($0.value)) }))
    line["completions"] = .int(policy.count)
    line["no_answer"] = .int(policy.noAnswer)
    line["cut"] = .int(policy.cut)
    line["updates"] = .int(policy.updates)
    line["clipped_share"] = .double(policy.clippedShare)
    if let divergence = policy.referenceKL { line["reference_kl"] = .double(divergence) }
    if let changed = policy.changedRoutes { line["changed_routes"] = .double(changed) }
    line["drawn_tokens"] = .int(policy.sampledTokens)
    line["prompt_tokens"] = .int(policy.promptTokens)
    line["prompt_tokens_read"] = .int(policy.promptTokensRead)
    line["rollout_seconds"] = .double(policy.rolloutSeconds)
    line["reward_seconds"] = .double(policy.rewardSeconds)
    line["update_seconds"] = .double(policy.updateSeconds)
    line["rollout_tokens_per_second"] = .double(policy.rolloutTokensPerSecond)
    line["update_tokens_per_second"] = .double(policy.updateTokensPerSecond)
  }
}
