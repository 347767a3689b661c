import JSON
import Testing

@testable import Evaluation

/// The tasks that ship are whole, and their own answers are right.
@Suite struct ShippedTaskTests {
  @Test(arguments: ShippedTasks.names)
  func everyTaskGradesItsOwnAnswersRight(name: String) throws {
    let task = try EvaluationTask(name, limit: 300)
    #expect(task.items.count >= 12 && task.description.license != nil && task.description.source != nil)
    let run = TaskRun(task, seed: 0)
    #expect(run.calls == TaskRun(try EvaluationTask(name, limit: 300), seed: 0).calls)
    let replies = zip(run.calls, task.items).map { call, item -> ModelReply in
      switch call {
      case .generate: .text(Self.answer(task, item), tokenCount: 3, isCut: false, logprob: -1)
      case .score(_, let continuations):
        .scores(
          continuations.indices.map {
            ContinuationScore(logprob: $0 == item.rightChoice ? -1 : -2, tokenCount: 1, isGreedy: true)
          })
      case .measure: .measure(nats: 100, tokenCount: 50)
      }
    }
    let result = run.result(replies)
    guard task.description.outputType != .rollingLikelihood else {
      #expect(result.likelihood?.tokenCount == 50 * task.items.count)
      return
    }
    let wrong = result.answers.filter { $0.verdict.outcome != .right }
    #expect(wrong.isEmpty, "\(wrong.prefix(3))")
    #expect(result.summary["accuracy"]?.double == 1 && result.summary["n"]?.exactInt == task.items.count)
  }

  private static func answer(_ task: EvaluationTask, _ item: TaskItem) -> String {
    switch task.description.grader {
    case .integerExpression:
      expression(item.target.numbers, value: Int(item.target.texts[0]) ?? 0)
    case .numeric: " \(item.target.texts[0])."
    default: " \(item.target.texts[0])"
    }
  }

  /// Every sign of every number is tried, in every order of three.
  private static func expression(_ numbers: [Int], value: Int) -> String {
    for signs in 0..<(1 << numbers.count) {
      let terms = numbers.enumerated().map { (signs >> $0.offset) & 1 == 0 ? $0.element : -$0.element }
      if terms.reduce(0, +) == value { return terms.map { "(\($0))" }.joined(separator: " + ") }
    }
    return "none"
  }

  @Test func aLargerCountBeginsWithTheSameItems() throws {
    let (few, many) = (try EvaluationTask("chain-sum", limit: 5), try EvaluationTask("chain-sum", limit: 50))
    #expect(few.items == Array(many.items.prefix(5)))
    #expect(few.items[0].prompt == "Question: What is 87 + 4 - 25?\nAnswer:")
  }

  @Test func thereAreFortyClaimsInFourFieldsWithThreeKindsOfPrompt() throws {
    let claims = try EvaluationTask("claims")
    #expect(claims.items.count == 120 && Set(claims.items.compactMap(\.cluster)).count == 40)
    #expect(Set(claims.items.compactMap(\.kind)) == ["innocent", "leading", "malign"])
  }
}
