import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `--task` of trainings.
  struct TrainTaskTests {
    private let folder = TemporaryFolder()

    private func task() throws -> String {
      let path = folder.file("say")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      _ = folder.write(
        """
        {"task": "say", "doc_to_text": "question", "doc_to_target": "answer", "grader": "contains",
         "generation_kwargs": {"max_gen_toks": 8, "temperature": 1}}
        """, as: "say/task.json")
      _ = folder.write(
        (0..<12).map { "{\"question\": \"Say \($0)\", \"answer\": \"e\"}\n" }.joined(), as: "say/items.jsonl")
      return path
    }

    private func data() -> String {
      folder.write(
        (0..<30).map {
          """
          {\"messages\":[{\"role\":\"user\",\"content\":\"Say \
          \($0)\"},{\"role\":\"assistant\",\"content\":\"eee\"}]}\n
          """
        }.joined(), as: "data.jsonl")
    }

    private func train(_ out: String, _ options: [String], ranks: Int? = nil) throws -> Program.Outcome {
      try Program.run(
        [
          "train", "sft", "--model", try Golden("deepseek_v3_bf16").folder, "--data", data(), "--out",
          folder.file(out), "--steps", "4", "--batch-sequences", "4", "--sequence-length", "32", "--learning-rate",
          "1e-3", "--threads", "1", "--seed", "3",
        ] + options, ranks: ranks)
    }

    private func results(_ run: Program.Outcome) throws -> [String?] {
      try run.output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8))["tasks"]?.text() }
    }

    /// After the second step and the last, the same at any number of ranks, and as `eval` says of what was saved.
    @Test(.timeLimit(.minutes(20))) func aModelIsAskedAsItLearns() throws {
      let task = try task()
      let options = ["--task", task, "--task-every", "2", "--json"]
      let page = folder.file("page.html")
      let alone = try train("one", options + ["--report", page])
      #expect(alone.status == 0, "\(alone.errors)")
      let told = try results(alone)
      #expect(told.count == 4 && told[0] == nil && told[1] != nil && told[2] == nil && told[3] != nil)
      let result = try #require(try JSONValue(parsing: told[3] ?? "").array?.first)
      #expect(result["task"] == "say" && result["n"] == 12 && result["interval"]?.array?.count == 2)
      #expect(try results(train("three", options, ranks: 3)) == told)
      let saved = try Program.run(
        ["eval", "--model", folder.file("one") + "/step-000004", "--task", task, "--seed", "3", "--json"])
      #expect(try JSONValue(parsing: saved.output) == result, "\(saved.errors)")
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("\"task\":\"say\""))
      // What is asked changes nothing that is learnt.
      #expect(try train("none", []).status == 0)
      let weights = try ["one", "three", "none"].map {
        try Data(contentsOf: URL(filePath: folder.file($0) + "/step-000004/model.safetensors"))
      }
      #expect(Set(weights).count == 1)
    }

    @Test func aTableTellsTasksInWords() throws {
      let run = try train("table", ["--task", try task(), "--task-limit", "5"])
      #expect(
        run.status == 0 && run.output.contains("step 4, say: ") && run.output.contains("right of 5 ("), "\(run.output)")
    }

    @Test func tasksThatCannotBeAskedAreNamed() throws {
      for (options, words) in [
        (["--task-every", "2"], "--task-every needs --task"), (["--task", "x", "--task-limit", "0"], "not at least 1"),
        (["--task", "a,,b"], "empty name"), (["--task", "no-such-task"], "no-such-task"),
      ] {
        let run = try train("refused", options)
        #expect(run.status != 0 && run.errors.contains(words), "\(run.errors)")
      }
    }
  }
}
