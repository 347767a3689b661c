/// A task as calls to a model, and their replies as a result.
package struct TaskRun: Sendable {
  package let task: EvaluationTask
  /// In order of items, and of each item's repeats.
  package let calls: [ModelCall]

  /// `seed`: of all sampling; every call's own follows from it, the item and the repeat.
  package init(_ task: EvaluationTask, seed: UInt64) {
    self.task = task
    let description = task.description
    calls = task.items.flatMap { item in
      (0..<description.repeats).map { repetition in
        Self.call(item, description, seed: Self.seed(seed, description.name, item, repetition))
      }
    }
  }

  /// Below 2⁶³: servers take no larger ones.
  private static func seed(_ seed: UInt64, _ task: String, _ item: TaskItem, _ repetition: Int) -> UInt64 {
    var numbers = SeededNumbers(seed: seed, "\(task)\n\(item.id)\n\(item.kind ?? "")\n\(repetition)")
    return numbers.next() >> 1
  }

  private static func call(_ item: TaskItem, _ task: TaskDescription, seed: UInt64) -> ModelCall {
    switch task.outputType {
    case .generateUntil: .generate(prompt: item.prompt, settings: task.generation, seed: seed)
    case .multipleChoice:
      .score(context: item.prompt, continuations: item.choices.map { task.targetDelimiter + $0 })
    case .likelihood:
      .score(
        context: item.prompt,
        continuations: item.target.texts.prefix(1).map { task.targetDelimiter + $0 })
    case .rollingLikelihood: .measure(text: item.target.texts.first ?? "")
    }
  }

  /// The result of replies in the order of `calls`. `verdicts`: a judge's, in the same order, where the grader is one.
  package func result(_ replies: [ModelReply], verdicts: [Verdict?] = []) -> TaskResult {
    var answers: [GradedAnswer] = []
    for (i, reply) in replies.prefix(calls.count).enumerated() {
      let item = task.items[i / task.description.repeats]
      var answer = grade(reply, item)
      if verdicts.indices.contains(i), let verdict = verdicts[i] { answer.verdict = verdict }
      answer.repetition = i % task.description.repeats
      if case .generate(_, _, let seed) = calls[i] { answer.seed = seed }
      answers.append(answer)
    }
    return TaskResult(task: task, answers: answers)
  }

  /// Results of replies in the order of all runs' calls. `judged`: what a judge says of a run's own replies.
  package static func results(
    of runs: [TaskRun], _ replies: [ModelReply],
    judged: (_ run: TaskRun, _ replies: [ModelReply]) -> [Verdict?] = { _, _ in [] }
  ) -> [TaskResult] {
    var rest = replies[...]
    return runs.map { run in
      let own = Array(rest.prefix(run.calls.count))
      rest = rest.dropFirst(own.count)
      return run.result(own, verdicts: judged(run, own))
    }
  }

  /// What a judge is to be asked of each reply, where the grader is one: nil where there is nothing to judge.
  package func judgements(of replies: [ModelReply]) -> [String?]? {
    guard case .judge(let rubric) = task.description.grader else { return nil }
    return replies.enumerated().map { i, reply in
      guard case .text(let text, _, let isCut, _) = reply, !isCut else { return nil }
      let answer = Answer(text)
      guard !answer.conclusion.isEmpty else { return nil }
      let item = task.items[i / task.description.repeats]
      return JudgeRubric.prompt(
        rubric: rubric, question: item.prompt, target: item.target.texts, answer: String(answer.conclusion))
    }
  }

  private func grade(_ reply: ModelReply, _ item: TaskItem) -> GradedAnswer {
    var graded = GradedAnswer(item: item)
    switch (reply, task.description.outputType) {
    case (.failed(let reason), _): graded.verdict = Verdict(.error, rule: reason)
    case (.text(let text, let tokens, let isCut, let logprob), .generateUntil):
      (graded.text, graded.tokenCount, graded.logprob) = (text, tokens, logprob)
      graded.verdict = grade(Answer(text, isCut: isCut), item.target)
    case (.scores(let scores), .multipleChoice) where scores.count == item.choices.count:
      let choices = ChoiceScores(logprobs: scores.map(\.logprob), byteCounts: item.choices.map(\.utf8.count))
      graded.verdict = choices.verdict(target: item.rightChoice, choices: item.choices)
      graded.choiceLogprobs = scores.map(\.logprob)
      graded.isRightPerByte = choices.bestPerByte.map { $0 == item.rightChoice }
      graded.text = graded.verdict.extracted ?? ""
      graded.logprob = choices.best.map { scores[$0].logprob }
      graded.tokenCount = scores.reduce(0) { $0 + $1.tokenCount }
    case (.scores(let scores), .likelihood) where scores.count == 1:
      graded.verdict = Verdict(scores[0].isGreedy ? .right : .wrong, rule: "every token the most probable one")
      (graded.logprob, graded.tokenCount) = (scores[0].logprob, scores[0].tokenCount)
    case (.measure(let nats, let tokens), .rollingLikelihood):
      graded.verdict = Verdict(.unscored, rule: "measured")
      (graded.logprob, graded.tokenCount) = (-nats, tokens)
      graded.text = item.target.texts.first ?? ""
    default: graded.verdict = Verdict(.error, rule: "the reply is not what was asked for")
    }
    return graded
  }

  private func grade(_ answer: Answer, _ target: GradedTarget) -> Verdict {
    let grader = task.description.grader
    guard let filter = task.description.filter, !answer.conclusion.isEmpty else {
      return grader.grade(answer, against: target)
    }
    let (found, rule) = filter.apply(answer.conclusion)
    guard let text = found else {
      return Verdict(.noAnswer, rule: answer.isCut ? "cut" : rule, isCut: answer.isCut)
    }
    return grader.grade(Answer(text, isCut: answer.isCut), against: target)
  }
}

/// One answer, with all that is told of it.
package struct GradedAnswer: Sendable, Equatable {
  package var item: TaskItem
  package var repetition = 0
  package var text = ""
  package var verdict = Verdict(.unscored, rule: "")
  package var tokenCount = 0
  package var logprob: Double?
  package var seed: UInt64?
  /// Of multiple choice.
  package var choiceLogprobs: [Double] = []
  package var isRightPerByte: Bool?

  init(item: TaskItem) { self.item = item }
}
