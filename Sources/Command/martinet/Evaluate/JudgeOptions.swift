import ArgumentParser
import Evaluation
import LoadGenerator
import Machine

/// Who judges answers of tasks whose grader is `judge`.
struct JudgeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Who decides in tasks whose grader is judge: a server that speaks OpenAI's API.", valueName: "http://host:port"))
  var judge: String?

  @Option(help: ArgumentHelp("The judge's model. (default: the first that it lists)", valueName: "name"))
  var judgeModel: String?

  @Option(help: ArgumentHelp("Sent to the judge as bearer token: the first line of this file.", valueName: "file"))
  var judgeKeyFile: String?

  /// Throws, before anything is asked, where a task needs a judge and there is none, or none that answers.
  func check(_ runs: [TaskRun], _ options: EvaluationOptions) throws {
    let judged = runs.first { if case .judge = $0.task.description.grader { true } else { false } }
    guard let judged else { return }
    guard judge != nil else {
      throw ValidationError("task \(judged.task.description.name) is graded by a judge; name one with --judge")
    }
    _ = try ask([], options)
  }

  /// What the judge says, and who it is.
  private func ask(_ calls: [ModelCall], _ options: EvaluationOptions) throws -> (replies: [ModelReply], name: String) {
    let key = try judgeKeyFile.map { try EndpointAnswers.key($0) }
    let (asked, model) = (judge ?? "", judgeModel)
    return try waiting {
      try await EndpointAnswers.with(
        url: asked, model: model, key: key, authorities: nil, concurrency: options.concurrency,
        timeout: options.timeout, isChat: true
      ) { answers in (await answers.replies(calls, label: "judging"), answers.model) }
    }
  }

  /// What became of a task's replies.
  struct Judgement {
    /// One of each reply; none where its grader needs no judge.
    var verdicts: [Verdict?] = []
    var judge: String?
    /// Why the judge said nothing of any.
    var failure: String?
  }

  /// The verdicts on a task's replies. A judge that fails leaves them unscored: what was asked and answered is not lost
  /// for it.
  func verdicts(_ run: TaskRun, _ replies: [ModelReply], _ options: EvaluationOptions) -> Judgement {
    guard judge != nil, let prompts = run.judgements(of: replies) else { return Judgement() }
    var settings = GenerationSettings()
    settings.maxNewTokens = 1024
    let places = prompts.indices.filter { prompts[$0] != nil }
    let calls = places.map { ModelCall.generate(prompt: prompts[$0] ?? "", settings: settings, seed: 0) }
    var judgement = Judgement(verdicts: Array(repeating: nil, count: prompts.count))
    var said = Array(repeating: ModelReply.failed("nothing was asked"), count: calls.count)
    if Interrupt.requested {
      // Whoever wants to stop waits for no judge.
      said = Array(repeating: .failed(ModelReply.interruption), count: calls.count)
    } else {
      do { (said, judgement.judge) = try ask(calls, options) } catch {
        said = Array(repeating: .failed("\(error)"), count: calls.count)
      }
    }
    var failures: [String] = []
    for (place, reply) in zip(places, said) {
      switch reply {
      case .text(let text, _, let isCut, _):
        judgement.verdicts[place] = JudgeRubric.verdict(of: Answer(text, isCut: isCut))
      case .failed(let reason):
        judgement.verdicts[place] = Verdict(.unscored, rule: "the judge failed: \(reason)")
        failures.append(reason)
      default: break
      }
    }
    if failures.count == calls.count { judgement.failure = failures.first }
    return judgement
  }
}
