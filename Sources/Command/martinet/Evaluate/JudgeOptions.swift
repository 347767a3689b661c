import Answering
import ArgumentParser
import Evaluation
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
    let key = try judgeKeyFile.map { try InputText.firstLine($0) }
    let (asked, model) = (judge ?? "", judgeModel)
    return try waiting {
      try await EndpointAnswers.with(
        url: asked, model: model, key: key, authorities: nil, concurrency: options.concurrency,
        timeout: options.timeout, isChat: true
      ) { answers in (await answers.replies(calls, showing: "judging"), answers.model) }
    }
  }

  /// What becomes of a task's replies, and who said so; nil where its grader needs no judge. A judge that fails leaves
  /// them unscored: what was asked and answered is not lost for it.
  func judgement(
    _ run: TaskRun, _ replies: [ModelReply], _ options: EvaluationOptions
  ) -> (judgement: Judgement, judge: String?)? {
    guard judge != nil, let prompts = run.judgements(of: replies) else { return nil }
    let calls = Judgement.calls(prompts)
    // Whoever wants to stop waits for no judge.
    guard !Interrupt.requested else {
      return (Judgement(prompts, failed: ModelReply.interruption), nil)
    }
    do {
      let (said, name) = try ask(calls, options)
      return (Judgement(prompts, said: said), name)
    } catch { return (Judgement(prompts, failed: "\(error)"), nil) }
  }
}
