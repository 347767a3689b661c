import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet eval` and `martinet audit` on the demonstration model.
  struct EvaluationTests {
    private let folder = TemporaryFolder()
    private static let tasks = [
      "--task", "chain-sum,capital-choices,prose", "--limit", "6", "--max-new-tokens", "12", "--threads", "1",
    ]

    /// What a file of `--out` holds but for the run's circumstances.
    private func written(_ path: String) throws -> JSONObject {
      var object = try #require(try JSONValue(parsing: Array(try Data(contentsOf: URL(filePath: path)))).object)
      (object["circumstances"], object["command"]) = (nil, nil)
      return object
    }

    @Test(.timeLimit(.minutes(20)))
    func resultsAreTheSameOnAnyRanksAndAtAnEndpoint() throws {
      let (one, three) = (folder.file("one.json"), folder.file("three.json"))
      let alone = try Program.run(["eval", "--json", "--out", one] + Self.tasks)
      #expect(alone.status == 0, "\(alone.errors)")
      let lines = try alone.lines.map { try JSONValue(parsing: $0) }
      #expect(lines.map { $0["task"]?.string } == ["chain-sum", "capital-choices", "prose"])
      #expect(lines[0]["n"]?.exactInt == 6 && lines[0]["interval"]?.array?.count == 2)
      let spread = try Program.run(["eval", "--json", "--out", three] + Self.tasks, ranks: 3)
      #expect(spread.output == alone.output, "\(spread.errors)")
      #expect(try written(three) == written(one))

      let server = try RunningServer(["--threads", "1"])
      let asked = try Program.run(
        ["eval", "--json", "--endpoint", "http://127.0.0.1:\(server.port)"] + Self.tasks.dropLast(2))
      #expect(asked.output == alone.output, "\(asked.errors)")
    }

    @Test(.timeLimit(.minutes(20)))
    func aRunIsComparedWithAnotherAndShownOnAPage() throws {
      let (out, page) = (folder.file("out.json"), folder.file("page.html"))
      let task = ["--task", "capital-choices", "--limit", "8"]
      #expect(try Program.run(["eval", "--out", out] + task).status == 0)
      let run = try Program.run(["eval", "--json", "--compare", out, "--report", page] + task)
      #expect(run.status == 0, "\(run.errors)")
      let comparison = try JSONValue(parsing: try #require(run.lines.last))["comparison"]
      #expect(comparison?["n"]?.exactInt == 8 && comparison?["difference"]?.double == 0)
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Against the other run"))
    }

    @Test(.timeLimit(.minutes(20)))
    func anAuditTellsEachKindOfPrompt() throws {
      let run = try Program.run(["audit", "--json", "--limit", "3", "--max-new-tokens", "8"])
      #expect(run.status == 0, "\(run.errors)")
      let result = try JSONValue(parsing: try #require(run.lines.first))
      #expect(result["by_kind"]?.object?.keys == ["innocent", "leading", "malign"])
      #expect(result["n"]?.exactInt == 9 && result["clusters"]?.exactInt == 3)
      let table = try Program.run(["audit", "--limit", "1", "--max-new-tokens", "4"])
      #expect(table.output.contains("17 % debunked, 30 % repeated, 53 % no answer"))
    }

    @Test(
      arguments: [
        (["eval", "--task", "/no/such"], "there is no folder /no/such, and no task of that name"),
        (["eval", "--task", "prose,"], "has an empty name"),
        (["eval", "--task", "prose", "--out", "/dev/null/x.json"], "cannot write /dev/null/x.json"),
        (["eval", "--task", "prose", "--compare", "/no/such.json"], "cannot read /no/such.json"),
        (["eval", "--task", "prose", "--endpoint", "here"], "\"here\" is no address of a server"),
        (["eval", "--task", "prose", "--endpoint", "http://127.0.0.1:1"], "no server answers at http://127.0.0.1:1"),
        (["eval", "--task", "prose", "--chat", "--endpoint", "http://127.0.0.1:1"], "leave out --chat"),
        (["eval", "--task", "prose", "--endpoint-model", "x"], "--endpoint-model needs --endpoint"),
        (["audit", "--claims", "capitals"], "graded by contains, not by claim"),
      ] as [([String], String)])
    func badInputIsRefusedInWords(arguments: [String], words: String) throws {
      let run = try Program.run(arguments)
      #expect(run.status == 1 && run.errors.contains(words), "\(run.errors)")
    }

    @Test(.timeLimit(.minutes(20))) func aTaskThatNeedsAJudgeSaysSo() throws {
      try #"{"task":"t","doc_to_text":"q","doc_to_target":"a","grader":"judge"}"#.write(
        toFile: folder.file("task.json"), atomically: true, encoding: .utf8)
      // An answer that ends by itself: one that was cut off is not judged.
      try #"{"q":"<｜User｜>What is 12+34+7?<｜Assistant｜>","a":"53"}"#.write(
        toFile: folder.file("items.jsonl"), atomically: true, encoding: .utf8)
      let run = try Program.run(["eval", "--task", folder.path])
      #expect(run.status == 1 && run.errors.contains("name one with --judge"), "\(run.errors)")

      // A judge that is not there is found before anything is asked.
      let out = folder.file("out.json")
      let judged = ["eval", "--task", folder.path, "--threads", "1", "--out", out, "--judge"]
      let none = try Program.run(judged + ["http://127.0.0.1:1"])
      #expect(none.status == 1 && none.errors.contains("no server answers at http://127.0.0.1:1"), "\(none.errors)")
      #expect(none.output.isEmpty && !FileManager.default.fileExists(atPath: out))
      // What was answered is not lost for one that refuses.
      let server = try RunningServer(["--threads", "1"])
      let refused = try Program.run(judged + ["http://127.0.0.1:\(server.port)", "--judge-model", "nobody"])
      #expect(refused.status == 1 && refused.errors.contains("no answer of t was judged"), "\(refused.errors)")
      let result = try #require(try written(out)["tasks"]?.array?.first)
      #expect(result["unscored"]?.exactInt == 1 && result["items"]?.array?.first?["answer"]?.string != nil)
    }

    /// Alone, and where mpirun tells its ranks to end, which it then kills after so many seconds.
    @Test(.timeLimit(.minutes(20)), arguments: [nil, 2] as [Int?])
    func whatWasAnsweredOutlivesAnInterruption(ranks: Int?) throws {
      try #"""
      {"task": "t", "doc_to_text": "q", "doc_to_target": "a", "grader": "numeric", "repeats": 10000,
      "generation_kwargs": {"temperature": 1, "max_gen_toks": 64}}
      """#.write(toFile: folder.file("task.json"), atomically: true, encoding: .utf8)
      try #"{"q":"<｜User｜>What is 12+34+7?<｜Assistant｜>","a":"53"}"#.write(
        toFile: folder.file("items.jsonl"), atomically: true, encoding: .utf8)
      let fault = faultWithPatience([1, 10, 40]) { seconds in
        let out = folder.file("out \(seconds).json")
        let launch = ranks.map {
          Program.mpirun(ranks: $0) + ["--mca", "odls_base_sigkill_timeout", "\(Int(seconds))"]
        }
        // One after the other, so that some are answered long before most.
        let running = try RunningProgram(
          (launch ?? []) + [
            Program.path, "eval", "--task", folder.path, "--threads", "1", "--max-sequences", "1", "--json", "--out",
            out,
          ])
        #expect(running.waitForErrors("memory"))
        #expect(running.waitForWork(seconds: 2))
        kill(running.process.processIdentifier, SIGINT)
        #expect(running.ends())
        let outcome = try running.outcome()
        #expect(ranks == nil ? outcome.status == 130 : outcome.status != 0, "\(outcome.status) \(outcome.errors)")
        guard outcome.errors.contains("martinet: interrupted"), let line = outcome.lines.first,
          let result = try written(out)["tasks"]?.array?.first
        else { return outcome.errors }
        #expect(outcome.errors.contains("results are of what was answered until then"))
        let (answered, errors) = (result["n"]?.exactInt ?? 0, result["errors"]?.exactInt ?? 0)
        #expect(try JSONValue(parsing: line)["n"]?.exactInt == answered)
        #expect(answered > 0 && errors > 0 && answered + errors == 10_000)
        let items = try #require(result["items"]?.array)
        #expect(items.count { $0["outcome"]?.string == "error" && $0["rule"]?.string == "interrupted" } == errors)
        return nil
      }
      #expect(fault == nil)
    }

    @Test(.timeLimit(.minutes(20))) func answersThatCannotBeWrittenArePrinted() throws {
      let task = ["--task", "capital-choices", "--limit", "2", "--threads", "1", "--json"]
      let (out, other) = (folder.file("out.json"), folder.file("other.json"))
      #expect(try Program.run(["eval", "--out", out] + task).status == 0)
      try #"{"tasks": [{"task": "mine", "items": []}]}"#.write(toFile: other, atomically: true, encoding: .utf8)
      let compared = try Program.run(["eval", "--compare", other] + task)
      #expect(compared.status == 1 && compared.output.isEmpty, "\(compared.output)")
      #expect(compared.errors.contains("results of mine, and none of capital-choices"), "\(compared.errors)")
      // Nothing fits onto this device.
      let full = try Program.run(["eval", "--out", "/dev/full"] + task)
      #expect(full.status == 1 && full.errors.contains("/dev/full"), "\(full.errors)")
      #expect(try JSONValue(parsing: try #require(full.lines.first))["n"]?.exactInt == 2)
    }
  }
}
