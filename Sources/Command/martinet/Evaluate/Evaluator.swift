import Answering
import ArgumentParser
import Bytes
import Checkpoints
import Evaluation
import Fabric
import Inference
import JSON
import Kernels
import Machine
import ModelText
import MoEModel
import Reports
import Telemetry

/// Has tasks answered by this process's engine or an endpoint, and tells the results.
struct Evaluator {
  enum Layout { case plain, chat, chatIfPossible }

  let model: ModelOptions
  let template: TemplateOptions
  let options: EvaluationOptions
  let judge: JudgeOptions?
  let tasks: [String]
  let layout: Layout

  func run(_ lines: (EvaluationOutput) -> [String]) throws {
    if let endpoint = options.endpoint { try ask(endpoint, lines) } else { try compute(lines) }
  }

  private func prepare() throws -> [TaskRun] {
    try options.checkFiles()
    let runs = try options.runs(tasks)
    try options.checkComparison(runs)
    try judge?.check(runs, options)
    for run in runs where judge == nil {
      guard case .claim = run.task.description.grader else {
        throw ValidationError(
          """
          task \(run.task.description.name) is graded by \(run.task.description.grader.name), not by claim; use \
          `martinet eval`
          """
        )
      }
    }
    return runs
  }

  // MARK: This process's engine

  private func compute(_ lines: (EvaluationOutput) -> [String]) throws {
    try withRanks { communicator in
      var runs: [TaskRun] = []
      var questions: EngineQuestions?
      var isChat = layout == .chat
      let codec = try agree(on: communicator) {
        let documents = CheckpointFormat.documents(of: try model.folder())
        return communicator.isRoot ? try template.codec(documents) : TextCodec(documents)
      }
      let session = try model.open(communicator, speculation: options.speculation.options) { checkpoint, description in
        guard communicator.isRoot else { return 0 }
        runs = try prepare()
        if layout == .chatIfPossible { isChat = try codec.templateSource() != nil }
        let found = try EngineQuestions(
          runs.flatMap(\.calls), codec: codec, checkpoint: checkpoint, description: description, isChat: isChat)
        questions = found
        return found.cacheTokens(sequences: model.maxSequences, ranks: communicator.size, type: model.kvCache)
      }
      try withLoop(session) { loop in
        guard let questions else { return }
        let start = ContinuousClock.now
        loop.goesOnWhenInterrupted = true
        let replies = try Self.replies(questions, codec, loop)
        let isStopped = loop.isInterrupted
        guard !isStopped || Self.hasAnswers(replies) else { throw InferenceError.interrupted }
        var output = try output(runs, replies, isChat: isChat, seconds: (ContinuousClock.now - start) / .seconds(1))
        output.subject["model"] = .string(session.checkpoint.path)
        output.subject["family"] = .string(session.description.family)
        output.subject["fingerprint"] = .string(Digits.hexadecimal(session.checkpoint.fingerprint))
        output.circumstances["ranks"] = .int(communicator.size)
        output.circumstances["threads"] = .int(session.compute.workerCount)
        output.circumstances["prompt_tokens"] = .int(loop.promptRows)
        output.circumstances["decode_tokens_per_second"] = .double(loop.statistics.decode.tokensPerSecond)
        if !loop.statistics.speculation.isEmpty {
          output.circumstances["speculation"] = loop.statistics.speculation.json
          say("speculation: \(loop.statistics.speculation.summary)")
        }
        if isStopped { stop(&output, with: InferenceError.interrupted) }
        try output.write(lines)
      }
    }
  }

  /// With a bar that shows how far they have come.
  private static func replies(
    _ questions: EngineQuestions, _ codec: TextCodec, _ loop: GenerationLoop
  ) throws -> [ModelReply] {
    var bar = ProgressBar("evaluating")
    defer { bar.finish() }
    return try EngineAnswers(questions, codec: codec, endsWhenInterrupted: true).run(loop) { done, tokens in
      bar.show(done, of: questions.parts.count, "tokens \(tokens)")
    }
  }

  // MARK: An endpoint

  private func ask(_ endpoint: String, _ lines: (EvaluationOutput) -> [String]) throws {
    // Under a launcher one rank is enough.
    guard Launch.earlyRank == 0 else { return }
    do {
      try Interrupt.install()
      let runs = try prepare()
      let isChat = layout != .plain
      if isChat { try refuseScores(runs) }
      let key = try options.apiKeyFile.map { try InputText.firstLine($0) }
      let (options, calls) = (options, runs.flatMap(\.calls))
      let start = ContinuousClock.now
      let (replies, name, others) = try waiting {
        try await EndpointAnswers.with(
          url: endpoint, model: options.endpointModel, key: key, authorities: options.caCertificate,
          concurrency: options.concurrency, timeout: options.timeout, isChat: isChat
        ) { answers in
          let replies = await answers.replies(calls, showing: "evaluating")
          return (replies, answers.model, answers.answered.others(than: answers.model))
        }
      }
      // What was answered until then may have cost much.
      let isStopped = Interrupt.requested
      guard !isStopped || Self.hasAnswers(replies) else { throw ExitCode(130) }
      var output = try output(runs, replies, isChat: isChat, seconds: (ContinuousClock.now - start) / .seconds(1))
      output.subject["endpoint"] = .string(endpoint)
      output.subject["model"] = .string(name)
      if isStopped { stop(&output, with: ExitCode(130)) }
      if !others.isEmpty {
        output.subject["answered_by"] = .array(others.map { .string($0) })
        let (asked, answered) = (AnsweringModels.shown(name), others.joined(separator: ", "))
        say("martinet: \(asked) was asked, and the server says that \(answered) answered")
      }
      try output.write(lines)
    } catch let error as ExitCode {
      throw error
    } catch {
      say("martinet: \(error)")
      throw ExitCode(1)
    }
  }

  private func refuseScores(_ runs: [TaskRun]) throws {
    for run in runs where run.task.description.outputType != .generateUntil {
      throw ValidationError(
        "task \(run.task.description.name) asks how probable texts are, which chats do not tell; leave out --chat")
    }
  }

  // MARK: Results

  private static func hasAnswers(_ replies: [ModelReply]) -> Bool {
    replies.contains { if case .failed = $0 { false } else { true } }
  }

  /// Has what was answered until the user wanted to stop written, and the command then fail.
  private func stop(_ output: inout EvaluationOutput, with failure: any Error) {
    output.failure = failure
    say("martinet: stopped; results are of what was answered until then")
  }

  private func output(
    _ runs: [TaskRun], _ replies: [ModelReply], isChat: Bool, seconds: Double
  ) throws -> EvaluationOutput {
    var judges: [String] = []
    var failure: EvaluationFailure?
    let results = TaskRun.results(of: runs, replies) { run, own in
      guard let (judgement, name) = judge?.judgement(run, own, options) else { return [] }
      if let name, !judges.contains(name) { judges.append(name) }
      if let reason = judgement.failure {
        failure = failure ?? .nothingJudged(task: run.task.description.name, reason: reason)
      }
      return judgement.verdicts
    }
    // Nothing but failures is no result.
    if case .failed(let reason)? = replies.first, !Self.hasAnswers(replies) {
      throw EvaluationFailure.nothingAnswered(count: replies.count, reason: reason)
    }
    var output = EvaluationOutput(results: results, options: options)
    output.failure = failure
    output.subject["chat"] = .bool(isChat)
    output.subject["seed"] = .number(JSONNumber(text: "\(options.seed)"))
    if !judges.isEmpty { output.subject["judge"] = .string(judges.joined(separator: ", ")) }
    output.circumstances["seconds"] = .double(seconds)
    return output
  }
}

/// Why an evaluation has no result.
enum EvaluationFailure: Error, CustomStringConvertible {
  case nothingAnswered(count: Int, reason: String)
  case nothingJudged(task: String, reason: String)

  var description: String {
    switch self {
    case .nothingAnswered(let count, let reason):
      "none of \(count) questions was answered; the first: \(reason)"
    case .nothingJudged(let task, let reason): "no answer of \(task) was judged; the first: \(reason)"
    }
  }
}
