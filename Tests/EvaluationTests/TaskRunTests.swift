import JSON
import Testing

@testable import Evaluation

/// From replies to results.
@Suite struct TaskRunTests {
  private func reply(_ text: String, isCut: Bool = false) -> ModelReply {
    .text(text, tokenCount: 2, isCut: isCut, logprob: -0.5)
  }

  private func run(_ extra: String, items: Int = 2) throws -> TaskRun {
    let lines = (0..<items).map { "{\"q\":\"\($0)\",\"a\":\"\($0)\"}" }.joined(separator: "\n")
    return TaskRun(
      try TaskFolder(#"{"task":"t","doc_to_text":"q","doc_to_target":"a"\#(extra)}"#, items: lines).task(), seed: 7)
  }

  @Test func outcomesAreCountedAndFailuresLeftOut() throws {
    let run = try run("", items: 5)
    let result = run.result([reply("0"), reply("9"), reply(""), reply("3 and", isCut: true), .failed("no connection")])
    let summary = result.summary
    #expect(["n", "right", "wrong", "no_answer", "cut", "errors"].map { summary[$0]?.exactInt } == [4, 1, 1, 2, 1, 1])
    #expect(summary["accuracy"]?.double == 0.25 && summary["interval"]?.array?.count == 2)
    let item = try #require(result.json["items"]?.array?[1].object)
    #expect(
      item.keys == [
        "id", "repeat", "seed", "prompt", "target", "answer", "outcome", "rule", "extracted", "cut", "logprob",
        "tokens",
      ])
    #expect(item["outcome"] == "wrong" && item["rule"] == "exact" && item["answer"] == "9")
  }

  @Test func severalAnswersToAnItemGivePassAtKAndAConsensus() throws {
    let run = try run(#","repeats":4,"generation_kwargs":{"temperature":1}"#)
    #expect(run.calls.count == 8)
    let seeds = run.calls.map { call -> UInt64 in if case .generate(_, _, let seed) = call { seed } else { 0 } }
    #expect(Set(seeds).count == 8)
    let result = run.result(["0", "5", "0", "6", "5", "5", "1", "6"].map { reply($0) })
    #expect(result.score.accuracy?.mean == 3.0 / 8 && result.score.accuracy?.clusterCount == 2)
    #expect(result.passAt.map(\.k) == [1, 2, 4] && result.passAt.last?.mean == 1)
    #expect(result.passAt[0].mean == 3.0 / 8)
    #expect(result.consensus?.mean == 0.5 && result.consensus?.count == 2)
  }

  @Test func aFilterSaysWhichAnswersCount() throws {
    let filter =
      #","repeats":3,"generation_kwargs":{"temperature":1},"filter_list":[{"filter":[{"function":"regex","regex_pattern":"is (\\d)"},{"function":"majority_vote"}]}]"#
    let result = try run(filter).result(["is 0", "is 1", "is 1", "is 1", "is 1", "x"].map { reply($0) })
    #expect(result.score.counted == 2 && result.score.counts[.right] == 1)
    #expect(result.answers[5].verdict == Verdict(.noAnswer, rule: "filter found nothing"))
  }

  /// Replies of all runs come in one list; a judge hears each run's own.
  @Test func eachRunHasItsOwnReplies() throws {
    let runs = [try run("", items: 1), try run("", items: 2)]
    var heard: [Int] = []
    let results = TaskRun.results(of: runs, ["0", "5", "1"].map { reply($0) }) { run, own in
      heard.append(own.count)
      return run.calls.count == 1 ? [Verdict(.wrong, rule: "judge")] : []
    }
    #expect(heard == [1, 2])
    #expect(results.map { $0.answers.map(\.verdict.outcome) } == [[.wrong], [.wrong, .right]])
  }

  @Test func aJudgeIsAskedOnlyOfAnswers() throws {
    let run = try run(#","grader":"judge""#, items: 3)
    let replies = [reply("zero"), reply(""), reply("2", isCut: true)]
    let asked = try #require(run.judgements(of: replies))
    #expect(asked.map { $0 != nil } == [true, false, false])
    #expect(asked[0]?.contains("<answer>\nzero\n</answer>") == true)
    let result = run.result(replies, verdicts: [Verdict(.right, rule: "judge"), nil, nil])
    #expect(result.answers.map(\.verdict.outcome) == [.right, .noAnswer, .noAnswer])
  }

  @Test func twoRunsArePairedByItem() throws {
    let run = try run("", items: 4)
    func file(_ texts: [String]) -> JSONValue {
      ["tasks": [.object(run.result(texts.map { reply($0) }).json)]]
    }
    let names = (first: "a.json", second: "b.json")
    let found = try RunComparison.comparisons(
      first: file(["0", "9", "2", "9"]), second: file(["0", "1", "2", "3"]), names: names)
    #expect(
      found.count == 1 && found[0].pair.difference == 0.5 && found[0].pair.onlySecond == 2 && found[0].unmatched == 0)
    #expect(found[0].pair.probability == 0.5)
    #expect(throws: EvaluationError.self) {
      try RunComparison.comparisons(first: ["x": 1], second: file(["0", "1", "2", "3"]), names: names)
    }
  }

  @Test func aFileOfOtherTasksIsRefusedBeforeAnythingIsAsked() throws {
    let file: JSONValue = ["tasks": [["task": "a", "items": [["id": "0", "outcome": "right"]]]]]
    try RunComparison.check(file, file: "f.json", names: ["b", "a"])
    #expect(
      throws: EvaluationError.otherRuns(reason: "f.json has results of a, and none of b, c"),
      performing: { try RunComparison.check(file, file: "f.json", names: ["b", "c"]) })
    for broken in [["tasks": []], ["tasks": 5], [:], ["tasks": [["task": "b", "items": [["id": 5]]]]]] as [JSONValue] {
      #expect(throws: EvaluationError.self) { try RunComparison.check(broken, file: "f.json", names: ["b"]) }
    }
  }

  @Test func stopStringsEndAnAnswerButNotItsThinking() {
    func end(_ pieces: [String], prompt: String = "", stops: [String] = ["\n", "END"]) -> (
      text: String, isStopped: Bool
    ) {
      var rule = StopRule(stops, prompt: prompt)
      for piece in pieces where rule.push(piece) { break }
      return (rule.text, rule.isStopped)
    }
    #expect(end(["12", "\nQ"]) == ("12", true))
    #expect(end(["1", "E", "N", "D", "x"]) == ("1", true))
    #expect(end(["<thi", "nk>a\nb", "</think>\n\n", "42", "\n7"]) == ("<think>a\nb</think>\n\n42", true))
    #expect(end(["a\nb</think>42\n"], prompt: "Assistant: <think>\n") == ("<think>a\nb</think>42", true))
    #expect(end(["E", "N", "X"]) == ("ENX", false))
    #expect(end(["\n12"]) == ("", true))
    #expect(end(["a\nb"], stops: []) == ("a\nb", false))
    // As bytes: a line break is one behind a carriage return and before a mark of accent, too.
    #expect(end(["12\r", "\nQ"]) == ("12\r", true))
    #expect(end(["12\r\nQ"]) == ("12\r", true))
    #expect(end(["a", "E", "ND\u{301}"]) == ("a", true))
    #expect(end(["e\u{301}"], stops: ["é"]) == ("e\u{301}", false))
    #expect(end([" \u{3000}", "<think>\n</think>\u{2003}", "\n\u{A0}4", "2\n"]).text.hasSuffix("\u{A0}42"))
    #expect(end(["<thin", "\nx"]) == ("<thin", true))
  }

  /// Where a text is cut into pieces changes nothing, once it has begun.
  @Test func anAnswerEndsInTheSamePlaceHoweverItComes() {
    let parts = ["<think>", "</think>", "\n", "E", "N", "D", "é", " ", "\u{3000}", "\r"]
    var generator = SeededNumbers(seed: 7, "stops")
    for _ in 0..<2000 {
      let pieces = [generator.element(["a", "<think>"])] + (0..<12).map { _ in generator.element(parts) }
      var whole = StopRule(["\n", "END"])
      var split = whole
      let isStopped = whole.push(pieces.joined())
      for scalar in pieces.joined().unicodeScalars { _ = split.push(String(scalar)) }
      #expect(isStopped == split.isStopped && Array(whole.text.utf8) == Array(split.text.utf8), "\(pieces)")
    }
  }

  @Test(.timeLimit(.minutes(20))) func aLongThoughtCostsNoMoreAtItsEnd() {
    var rule = StopRule(["\n"])
    _ = rule.push("<think>")
    for _ in 0..<50_000 { _ = rule.push("word é\n") }
    #expect(rule.push("</th") == false && rule.push("ink> 42\n") && rule.text.hasSuffix("</think> 42"))
  }
}
