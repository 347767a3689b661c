import JSON
import TestSupport

@testable import Evaluation

extension FuzzTarget {
  static let evaluation = [taskFile, taskItems, gradedAnswer, resultFile]

  private static func task(_ bytes: [UInt8], _ items: [UInt8]) throws {
    let task = try EvaluationTask(
      TaskFiles(name: "fuzz", files: ["task.json": bytes, "items.jsonl": items]), limit: 20)
    try hold(!task.items.isEmpty, "a task of nothing")
    let run = TaskRun(task, seed: 1)
    try hold(run.calls.count == task.items.count * task.description.repeats, "\(run.calls.count) calls")
  }

  private static let taskFile = FuzzTarget(
    "task", inputs: 1500,
    pieces: jsonPieces + [
      "\"grader\":", "\"repeats\":", "\"generator\":{\"name\":\"countdown\"}", "{{q}}", "1e999", "-1",
    ],
    seeds: {
      [
        Array(
          #"{"task":"t","doc_to_text":"{{q}}","doc_to_target":"a","grader":{"name":"regex","pattern":"(a|b)+","group":1},"repeats":2,"generation_kwargs":{"temperature":1,"until":["\n"]},"num_fewshot":1}"#
            .utf8),
        Array(
          #"{"task":"t","doc_to_text":"question","doc_to_target":"answer","grader":"integer-expression","generator":{"name":"countdown","count":30,"terms":[2,4],"maximum":9}}"#
            .utf8),
      ]
    },
    read: { bytes in try task(bytes, Array("{\"q\":\"1\",\"a\":\"2\"}\n{\"q\":\"3\",\"a\":\"4\"}".utf8)) })

  private static let taskItems = FuzzTarget(
    "task-items", inputs: 1500, pieces: jsonPieces + ["\"c\":[", "\"a\":1", "\n", "99999999999999999999"],
    seeds: { [Array("{\"q\":\"1\",\"a\":1,\"c\":[\"x\",\"y\"]}\n{\"q\":\"2\",\"a\":\"y\",\"c\":[\"x\",\"y\"]}".utf8)] },
    read: { bytes in
      try task(
        Array(
          #"{"task":"t","doc_to_text":"q","doc_to_target":"a","doc_to_choice":"c","output_type":"multiple_choice"}"#
            .utf8),
        bytes)
    })

  private static let gradedAnswer = FuzzTarget(
    "graded-answer", inputs: 1500,
    pieces: [
      "1,000", "-$", "e999999", "(", ")", "*", "/0", "not ", "false. ", "</think>", "<think>", "\u{301}", "=", "'",
    ],
    seeds: { [Array("<think>1+1</think>\nIt is not true, that: (3 + 4) * 2 = $1,400.50e-2".utf8)] },
    read: { bytes in
      let answer = Answer(String(decoding: bytes, as: UTF8.self))
      let target = GradedTarget(["14"], numbers: [2, 3, 4], falsehoods: ["true that"])
      for grader in [
        Grader.exact, .numeric(tolerance: 0.1), .integerExpression, .contains, .claim(ClaimWords()),
        .regex(try AnswerPattern("(a|\\d)+", group: 1)),
      ] {
        let verdict = grader.grade(answer, against: target)
        try hold(verdict == grader.grade(answer, against: target), "\(grader.name) says two things")
      }
    })

  private static let resultFile = FuzzTarget(
    "evaluation-result", inputs: 1500, pieces: jsonPieces + ["\"outcome\":\"right\"", "\"items\":["],
    seeds: {
      [Array(#"{"tasks":[{"task":"t","items":[{"id":"1","outcome":"right","prompt":"q","cluster":"c"}]}]}"#.utf8)]
    },
    read: { bytes in
      let value = try JSONValue(parsing: bytes)
      for one in try RunComparison.comparisons(first: value, second: value, names: ("a", "b")) {
        try hold(one.pair.difference == 0, "a run differs from itself")
      }
    })
}
