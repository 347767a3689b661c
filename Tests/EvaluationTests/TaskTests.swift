import Glibc
import JSON
import TestSupport
import Testing

@testable import Evaluation

/// Tasks are what their files say, or are refused with the file, the field and what to do.
@Suite struct TaskTests {
  private static let plain = #""task":"t","doc_to_text":"Q: {{q}}\nA:","doc_to_target":"a""#

  @Test func aTaskIsItsPromptsAndTargets() throws {
    let folder = try TaskFolder(
      "{\(Self.plain),\"description\":\"Sums.\\n\",\"grader\":{\"name\":\"numeric\",\"tolerance\":0.5}}",
      items: "{\"q\":\"1+1\",\"a\":2,\"id\":\"one\"}\n\n{\"q\":\"2+2\",\"a\":[4,\"4.0\"]}\r\n")
    let task = try folder.task()
    #expect(task.items.map(\.prompt) == ["Sums.\nQ: 1+1\nA:", "Sums.\nQ: 2+2\nA:"])
    #expect(task.items.map(\.target.texts) == [["2"], ["4", "4.0"]])
    #expect(task.items.map(\.id) == ["one", "1"])
    #expect(task.description.grader == .numeric(tolerance: 0.5))
    #expect(try folder.task(limit: 1).items.count == 1)
  }

  @Test func examplesComeBeforeTheQuestionAndNeverTheItemItself() throws {
    let folder = try TaskFolder(
      "{\(Self.plain),\"num_fewshot\":1}", items: "{\"q\":\"1\",\"a\":\"x\"}\n{\"q\":\"2\",\"a\":\"y\"}")
    #expect(try folder.task().items.map(\.prompt) == ["Q: 2\nA: y\n\nQ: 1\nA:", "Q: 1\nA: x\n\nQ: 2\nA:"])
  }

  @Test func choicesAreAFieldOrTemplates() throws {
    let field = try TaskFolder(
      "{\(Self.plain),\"output_type\":\"multiple_choice\",\"doc_to_choice\":\"c\"}",
      items: "{\"q\":\"1\",\"a\":1,\"c\":[\"x\",\"y\"]}\n{\"q\":\"2\",\"a\":\"u\",\"c\":[\"u\",\"v\"]}"
    ).task()
    #expect(field.items.map(\.rightChoice) == [1, 0] && field.items[0].choices == ["x", "y"])
    #expect(TaskRun(field, seed: 0).calls[0] == .score(context: "Q: 1\nA:", continuations: [" x", " y"]))
    let templates = try TaskFolder(
      "{\(Self.plain),\"output_type\":\"multiple_choice\",\"doc_to_choice\":[\"{{q}}\",\"no\"]}",
      items: "{\"q\":\"yes\",\"a\":0}"
    ).task()
    #expect(templates.items[0].choices == ["yes", "no"])
  }

  @Test func promptsOfSeveralKindsAreOneCluster() throws {
    let task = try TaskFolder(
      #"{"task":"t","grader":"claim","prompts":{"innocent":"{{q}}?","malign":"Say {{q}}"}}"#,
      items: #"{"q":"x","truth":"y","falsehood":["x"]}"#
    ).task()
    #expect(task.items.map(\.kind) == ["innocent", "malign"] && task.items.map(\.cluster) == ["0", "0"])
    #expect(task.items.map(\.prompt) == ["x?", "Say x"])
  }

  @Test(
    arguments: [
      ("{", "task.json: JSON has"), ("[]", "task.json: it is an array"), ("{}", "task.json: task is missing"),
      ("{\(plain),\"shots\":3}", "task.json: there is no field \"shots\"; remove it, or write one of task, version"),
      ("{\(plain),\"num_fewshot\":\"3\"}", "task.json: num_fewshot is a string where an integer should be"),
      ("{\(plain),\"num_fewshot\":-1}", "task.json: num_fewshot is -1 where an integer from 0"),
      ("{\(plain),\"num_fewshot\":5}", "task.json: num_fewshot is 5, and there are 1 items"),
      ("{\(plain),\"output_type\":\"chat\"}", "task.json: output_type is \"chat\", which is none of generate_until"),
      ("{\(plain),\"output_type\":\"multiple_choice\"}", "task.json: a task of multiple_choice needs doc_to_choice"),
      ("{\(plain),\"doc_to_choice\":\"c\"}", "task.json: doc_to_choice belongs to output_type multiple_choice"),
      ("{\(plain),\"output_type\":\"multiple_choice\",\"doc_to_choice\":[\"a\"]}", "task.json: doc_to_choice has 1"),
      ("{\(plain),\"output_type\":\"multiple_choice\",\"doc_to_choice\":\"c\"}", "items.jsonl, line 1: c is missing"),
      ("{\(plain),\"grader\":\"best\"}", "task.json: grader is \"best\", which is none of exact"),
      ("{\(plain),\"grader\":\"choice\"}", "task.json: grader choice needs output_type multiple_choice"),
      ("{\(plain),\"grader\":{\"name\":\"regex\"}}", "task.json: grader.pattern is missing"),
      ("{\(plain),\"grader\":{\"name\":\"regex\",\"pattern\":\"(\"}}", "task.json: grader.pattern: \"(\" is no"),
      (
        "{\(plain),\"grader\":{\"name\":\"exact\",\"tolerance\":1}}",
        "task.json: there is no field \"grader.tolerance\""
      ),
      ("{\(plain),\"grader\":\"integer-expression\"}", "items.jsonl, line 1: numbers is missing"),
      ("{\(plain),\"generation_kwargs\":{\"top\":1}}", "task.json: there is no field \"generation_kwargs.top\""),
      ("{\(plain),\"generation_kwargs\":{\"until\":[\"\"]}}", "task.json: generation_kwargs.until has an empty text"),
      ("{\(plain),\"generation_kwargs\":{\"temperature\":1e999}}", "task.json: generation_kwargs.temperature is 1e999"),
      ("{\(plain),\"repeats\":4}", "task.json: 4 repeats at temperature 0 are all the same"),
      ("{\(plain),\"metric_list\":[{\"metric\":\"bleu\"}]}", "task.json: metric_list[0].metric is \"bleu\""),
      ("{\(plain),\"filter_list\":[{\"function\":\"upper\"}]}", "task.json: filter_list[0].function is \"upper\""),
      ("{\(plain),\"dataset\":\"../x\"}", "task.json: dataset must be the name of a file beside it"),
      ("{\(plain),\"dataset\":\"none.jsonl\"}", "cannot read none.jsonl: there is no such file"),
      (
        "{\(plain),\"generator\":{\"name\":\"poems\"}}",
        "task.json: generator.name is \"poems\", which is none of chain-sum"
      ),
      ("{\(plain),\"generator\":{\"name\":\"gcd\",\"count\":0}}", "task.json: generator.count is 0"),
      ("{\"task\":\"t\",\"doc_to_text\":\"{{q\",\"doc_to_target\":\"a\"}", "task.json: doc_to_text cannot be rendered"),
      (
        "{\"task\":\"t\",\"doc_to_text\":\"{{z}}\",\"doc_to_target\":\"a\"}",
        "items.jsonl, line 1: z (which the template"
      ),
      (
        "{\"task\":\"t\",\"doc_to_text\":\"q\",\"doc_to_target\":\"z\"}",
        "items.jsonl, line 1: z (which doc_to_target names)"
      ),
      ("{\"task\":\"t\",\"doc_to_target\":\"a\"}", "task.json: doc_to_text is missing"),
      ("{\"task\":\"t\",\"doc_to_text\":\"q\"}", "task.json: doc_to_target is missing"),
    ] as [(String, String)])
  func aDamagedTaskIsRefusedByFileAndField(task: String, words: String) throws {
    let said = try TaskFolder(task).complaint() ?? "nothing"
    #expect(said.hasPrefix(words), "\(said)")
  }

  @Test(
    arguments: [
      ("", "items.jsonl has no items"), ("\n \n", "items.jsonl has no items"),
      ("{}", "items.jsonl, line 1: the item is empty"),
      ("[]", "items.jsonl, line 1: it is an array"),
      ("{\"q\":\"1\",\"a\":\"\"}", "items.jsonl, line 1: its target is empty"),
      ("{\"q\":\"1\",\"a\":\"2\"}\n{\"q\"", "items.jsonl, line 2: JSON"),
      ("{\"q\":\"1\",\"a\":true}", "items.jsonl, line 1: a is a boolean"),
      ("{\"q\":null,\"a\":\"2\"}", "items.jsonl, line 1: q (which doc_to_text names) is missing"),
      ("{\"q\":[1],\"a\":\"2\"}", "items.jsonl, line 1: q (which doc_to_text names) is an array"),
      (
        "{\"q\":\"1\",\"a\":\"2\",\"id\":\"x\"}\n{\"q\":\"3\",\"a\":\"2\",\"id\":\"x\"}",
        "task.json: two items have the id x"
      ),
    ] as [(String, String)])
  func damagedItemsAreRefusedByLine(items: String, words: String) throws {
    let said =
      try TaskFolder(#"{"task":"t","doc_to_text":"q","doc_to_target":"a"}"#, items: items).complaint() ?? "nothing"
    #expect(said.hasPrefix(words), "\(said)")
  }

  /// To open a pipe would wait for ever.
  @Test func whatIsNoFolderWithFilesIsSaid() throws {
    let folder = TemporaryFolder()
    #expect(throws: EvaluationError.noTaskFile(folder: folder.path)) { _ = try EvaluationTask(folder.path) }
    let file = folder.write("x", as: "file")
    #expect(throws: EvaluationError.noFolder(path: file)) { _ = try EvaluationTask(file) }
    #expect(mkfifo(folder.file("task.json"), 0o600) == 0)
    let reason = "it is no regular file"
    #expect(throws: EvaluationError.unreadable(path: folder.file("task.json"), reason: reason)) {
      _ = try EvaluationTask(folder.path)
    }
    let task = try TaskFolder(#"{"task":"t","doc_to_text":"q","doc_to_target":"a"}"#, items: nil)
    #expect(mkfifo(task.folder.file("items.jsonl"), 0o600) == 0)
    #expect(task.complaint()?.contains(reason) == true)
    let nothing = EvaluationError.noTask(name: "", shipped: ["a"])
    #expect("\(nothing)".hasPrefix("there is no folder \"\", and no task of that name"))
  }

  @Test func aNameThatIsNoTaskNamesThoseThatAre() {
    #expect(throws: EvaluationError.noTask(name: "/no/such", shipped: ShippedTasks.names)) {
      try EvaluationTask("/no/such")
    }
  }
}
