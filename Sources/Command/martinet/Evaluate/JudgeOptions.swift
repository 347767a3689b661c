import ArgumentParser
import Evaluation
import LoadGenerator

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

  /// Throws where a task needs a judge and there is none.
  func check(_ runs: [TaskRun]) throws {
    guard judge == nil else { return }
    for run in runs {
      if case .judge = run.task.description.grader {
        throw ValidationError("task \(run.task.description.name) is graded by a judge; name one with --judge")
      }
    }
  }

  /// The verdicts on a task's replies, and who gave them; empty where its grader needs none.
  func verdicts(
    _ run: TaskRun, _ replies: [ModelReply], _ options: EvaluationOptions
  ) throws -> (verdicts: [Verdict?], judge: String?) {
    guard let judge, let prompts = run.judgements(of: replies) else { return ([], nil) }
    var settings = GenerationSettings()
    settings.maxNewTokens = 1024
    let places = prompts.indices.filter { prompts[$0] != nil }
    let calls = places.map { ModelCall.generate(prompt: prompts[$0] ?? "", settings: settings, seed: 0) }
    let key = try judgeKeyFile.map { try EndpointAnswers.key($0) }
    let (asked, model) = (judge, judgeModel)
    let said = try waiting {
      try await EndpointAnswers.with(
        url: asked, model: model, key: key, authorities: nil, concurrency: options.concurrency,
        timeout: options.timeout, isChat: true
      ) { answers in (await answers.replies(calls, label: "judging"), answers.model) }
    }
    var verdicts: [Verdict?] = Array(repeating: nil, count: prompts.count)
    for (place, reply) in zip(places, said.0) {
      switch reply {
      case .text(let text, _, let isCut, _): verdicts[place] = JudgeRubric.verdict(of: Answer(text, isCut: isCut))
      case .failed(let reason): verdicts[place] = Verdict(.unscored, rule: "the judge failed: \(reason)")
      default: break
      }
    }
    return (verdicts, said.1)
  }
}
