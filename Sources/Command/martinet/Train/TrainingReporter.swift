import Checkpoints
import DistributedTraining
import Evaluation
import JSON
import MoEModel
import Reports
import Telemetry

/// Keeps what a training tells, and writes its page, at each checkpoint and when it ends, however it ends.
///
/// Every rank has one and gives it all events: what ranks counted is collected from all. Rank 0 keeps the history, in
/// the training's folder too, so that the page of a training that is gone on with begins with its first step. A page
/// that cannot be written is told of, and ends nothing.
final class TrainingReporter {
  private static let historyName = "history.json"
  private static let historyLimit = 64 << 20

  private let training: TrainingLoop
  private let options: TrainingReportOptions
  private let historyPath: String
  private let isRoot: Bool
  /// Of the peak in what products are computed in, by so many tokens a second.
  private let utilization: (_ tokensPerSecond: Double) -> Double
  private var report: TrainingReport

  init(
    _ training: TrainingLoop, _ report: TrainingReport, options: TrainingReportOptions, folder: String, isRoot: Bool,
    utilization: @escaping (_ tokensPerSecond: Double) -> Double
  ) {
    (self.training, self.report, self.options) = (training, report, options)
    (historyPath, self.isRoot, self.utilization) = ("\(folder)/\(Self.historyName)", isRoot, utilization)
    if options.trace != nil { training.keepSpans(TrainingReportOptions.traceSpans) }
  }

  /// Collective where a checkpoint was written.
  func hear(_ event: TrainingEvent, tasks: [TaskResult]? = nil) throws {
    switch event {
    case .waitsForCheckpoints: break
    case .step(let step):
      if isRoot { add(step) }
      for result in tasks ?? [] where result.likelihood == nil {
        report.history.addTask(
          step: step.number, task: result.task.description.name, right: result.score.counts[.right] ?? 0,
          count: result.score.counted)
      }
    case .resumed(let step, _): if isRoot { readHistory(upTo: step) }
    case .saved(let step, _, let seconds):
      report.history.addCheckpoint(step: step, seconds: seconds)
      if options.report != nil || options.reportJson != nil { take(try training.collectAccounts(totalsOnly: true)) }
      write()
    }
  }

  /// Writes all files, with `tables` on the page, and tells where the time went. Collective.
  func end(_ tables: [TrainingReport.Table]) throws -> [String] {
    report.tables = tables
    take(try training.collectAccounts(totalsOnly: options.trace == nil))
    write()
    guard isRoot else { return [] }
    if let trace = options.trace { warn { try ReportFile.write(report.trace.text() + "\n", to: trace) } }
    return report.summary
  }

  /// Writes the page of a training that failed, as far as rank 0 knows it.
  func fail(_ reason: String) {
    report.failure = reason
    write()
  }

  private func add(_ step: StepReport) {
    let rate = step.tokensPerSecond
    report.tokens = step.tokens
    let values = TrainingMetric.allCases.map { metric -> Double in
      switch metric {
      case .loss: step.result.loss
      case .gradientNorm: step.result.gradientNorm
      case .learningRate: step.learningRate
      case .tokensPerSecond: rate
      case .utilization: utilization(rate)
      case .communicationShare: step.seconds > 0 ? step.communication / step.seconds : 0
      case .loadMaxOverMean: step.result.loadMaxOverMean
      case .deadExperts: Double(step.result.deadExpertCount)
      case .balanceLoss: step.result.balanceLoss
      case .seconds: step.seconds
      case .predictionLoss: step.result.predictionLoss ?? .nan
      }
    }
    // A step that was skipped changed nothing, and its numbers may be none.
    if let skipped = step.skipped {
      (report.skippedCount, report.skippedBecause) = (skipped.count, "step \(step.number): \(skipped.reason)")
    } else {
      report.history.add(step: step.number, values, loads: step.result.loads, policy: step.policy.map(Self.told))
    }
    for transcript in step.policy?.transcripts ?? [] { add(transcript, ofStep: step.number) }
    switch step.heldOut {
    case .loss(let loss)?: report.history.addScore(step: step.number, loss: loss)
    case .accuracy(let right, let count, _)?: report.history.addAccuracy(step: step.number, right: right, count: count)
    case nil: break
    }
  }

  /// What a step of reinforcement learning came to, as a page takes it.
  private static func told(_ step: PolicyReport) -> PolicyStep {
    PolicyStep(
      completions: .init(
        count: step.count, tokens: step.sampledTokens, graded: step.graded, right: step.right, noAnswer: step.noAnswer,
        cut: step.cut),
      values: [
        .reward: step.reward, .meanLength: step.meanLength, .entropy: step.entropy,
        .signalGroups: Double(step.signalGroups) / Double(max(1, step.groups)), .maxLogRatio: step.maxLogRatio,
        .clippedShare: step.clippedShare, .referenceKL: step.referenceKL ?? .nan,
        .changedRoutes: step.changedRoutes ?? .nan, .rolloutSeconds: step.rolloutSeconds,
        .rewardSeconds: step.rewardSeconds, .updateSeconds: step.updateSeconds,
        .rolloutTokensPerSecond: step.rolloutTokensPerSecond, .updateTokensPerSecond: step.updateTokensPerSecond,
      ], parts: step.parts)
  }

  private func add(_ read: PolicyTranscript, ofStep step: Int) {
    report.history.addTranscript(
      Transcript(
        step: step, prompt: read.prompt, completion: read.completion, expected: read.answer, outcome: read.outcome,
        isCut: read.isCut, reward: read.reward, advantage: read.advantage, tokens: read.tokenCount))
  }

  private func readHistory(upTo step: Int) {
    guard let file = try? InputFile(path: historyPath) else { return }
    do {
      var history = try TrainingHistory(
        json: try JSONValue(parsing: try file.contents(limit: Self.historyLimit)), layers: report.history.layers,
        expertCount: report.history.expertCount)
      history.goBack(to: step)
      report.history = history
    } catch { say("martinet: the page begins with step \(step + 1): \(historyPath) cannot be read: \(error)") }
  }

  private func take(_ accounts: TrainingAccounts?) {
    guard let accounts else { return }
    report.ranks = accounts.times.map { times in
      TrainingReport.Rank(
        steps: times.steps, wall: Double(times.wall), time: times.time.map { Double($0) },
        waiting: times.waiting.map { Double($0) }, spans: times.spans.map { ($0.start, Int($0.phase)) })
    }
    report.passes = accounts.passes
    (report.leastSumBytes, report.leastGatherBytes) = (
      accounts.traffic.leastSumBytes, accounts.traffic.leastGatherBytes
    )
  }

  private func write() {
    guard isRoot else { return }
    warn { try ReportFile.replace(historyPath, with: report.history.json.text() + "\n") }
    report.subject.date = RunSubject.now()
    if let path = options.report { warn { try ReportFile.replace(path, with: report.page) } }
    if let path = options.reportJson { warn { try ReportFile.replace(path, with: report.json.text() + "\n") } }
  }

  private func warn(_ body: () throws -> Void) {
    do { try body() } catch { say("martinet: \(error)") }
  }
}
