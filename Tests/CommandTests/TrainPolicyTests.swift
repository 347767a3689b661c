import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet train grpo` and `martinet sample`.
  struct TrainPolicyTests {
    private let folder = TemporaryFolder()

    private func file(_ name: String, _ lines: [String]) throws -> String {
      let path = folder.file(name)
      try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    private func prompts() throws -> String {
      try file(
        "prompts.jsonl",
        (0..<9).map { "{\"messages\":[{\"role\":\"user\",\"content\":\"Say \($0)\"}],\"answer\":\"e\"}" })
    }

    private func train(
      _ prompts: String, to out: String, _ options: [String] = [], reward: String = "format,contains,length=0.5",
      ranks: Int? = nil
    ) throws -> Program.Outcome {
      try Program.run(
        [
          "train", "grpo", "--model", try Golden("deepseek_v3_bf16").folder, "--prompts", prompts, "--reward", reward,
          "--out", out, "--steps", "3", "--prompts-per-step", "4", "--group-size", "4", "--max-new-tokens", "12",
          "--learning-rate", "1e-2", "--seed", "3", "--threads", "1", "--json",
        ] + (reward.contains("format") ? ["--reward-format-pattern", "[\\s\\S]*e[\\s\\S]*"] : []) + options,
        ranks: ranks)
    }

    private func lines(_ run: Program.Outcome) throws -> [JSONValue] {
      try run.output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
    }

    private func weights(_ out: String) throws -> Data {
      try Data(contentsOf: URL(filePath: folder.file(out) + "/step-000003/model.safetensors"))
    }

    @Test(.timeLimit(.minutes(20)))
    func aPolicyLearnsTheSameOnAnyNumberOfRanks() throws {
      let prompts = try prompts()
      let heldOut = try file("held-out.jsonl", ["{\"prompt\":\"Say it\",\"answer\":\"e\"}"])
      let alone = try train(prompts, to: folder.file("one"), ["--held-out", heldOut])
      #expect(alone.status == 0, "\(alone.errors)")
      let told = try lines(alone)
      #expect(told.count == 3)
      for line in told {
        #expect(line["max_log_ratio"]?.double == 0)
        for key in [
          "reward", "accuracy", "mean_length", "entropy", "rollout_tokens_per_second", "update_tokens_per_second",
          "clipped_share", "changed_routes",
        ] { #expect(line[key]?.double?.isFinite == true, "\(key)") }
        #expect(line["completions"]?.exactInt == 16 && line["groups"]?.exactInt == 4)
        let (all, read) = (line["prompt_tokens"]?.exactInt ?? 0, line["prompt_tokens_read"]?.exactInt ?? 0)
        #expect(read > 0 && read <= all, "\(read) of \(all)")
        #expect(line["accuracy_interval"]?.array?.count == 2)
        #expect(line["rewards"]?["contains"]?.double != nil && line["rewards"]?["length"]?.double != nil)
      }
      #expect(told.contains { ($0["signal_groups"]?.exactInt ?? 0) > 0 })
      #expect(told.last?["held_out_accuracy"]?.double != nil)

      let spread = try train(prompts, to: folder.file("three"), ["--held-out", heldOut], ranks: 3)
      #expect(spread.status == 0, "\(spread.errors)")
      #expect(try weights("three") == weights("one"))
      // And how often prompts are read, as their completions are spread over ranks.
      let times = ["seconds", "per_second", "mfu", "prompt_tokens_read"]
      for (a, b) in zip(told, try lines(spread)) {
        for key in a.object?.keys ?? [] where !times.contains(where: { key.contains($0) }) {
          #expect(a[key]?.text() == b[key]?.text(), "\(key)")
        }
      }
    }

    @Test(.timeLimit(.minutes(20)))
    func aTableAndAPageTellOfIt() throws {
      let (page, report) = (folder.file("page.html"), folder.file("page.json"))
      let run = try Program.run([
        "train", "grpo", "--model", try Golden("deepseek_v3_bf16").folder, "--prompts", try prompts(), "--reward",
        "contains", "--out", folder.file("table"), "--steps", "2", "--prompts-per-step", "2", "--group-size", "2",
        "--max-new-tokens", "5", "--threads", "1", "--report", page, "--report-json", report,
      ])
      #expect(run.status == 0, "\(run.errors)")
      for word in ["reward", "right", "entropy", "signal", "|log ratio|", "sampled/s", "9 prompts"] {
        #expect(run.output.contains(word), "\(word): \(run.output)")
      }
      let told = try JSONValue(parsing: Array(try Data(contentsOf: URL(filePath: report))))
      #expect(told["history"]?["policy"] != nil)
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("<html"))
    }

    @Test(.timeLimit(.minutes(20)))
    func aProgramPays() throws {
      let pays = """
        while read line; do i=$(printf %s "$line" | sed 's/.*"index":\\([0-9]*\\).*/\\1/'); \
        printf '{"index":%s,"reward":%s}\\n' "$i" "$((i % 3))"; done
        """
      let paid = try train(
        try prompts(), to: folder.file("paid"), ["--reward-command", pays, "--steps", "1"], reward: "command")
      #expect(paid.status == 0, "\(paid.errors)")
      #expect(try lines(paid).first?["signal_groups"]?.exactInt == 4)
      for (program, seconds, words) in [
        ("read line; echo nonsense; cat >/dev/null", "900", ["printed the line \"nonsense\"", "reward"]),
        ("sleep 6000", "2", ["2 seconds"]),
        ("exit 3", "900", ["status 3"]),
      ] {
        let failed = try train(
          try prompts(), to: folder.file("failed"),
          ["--reward-command", program, "--steps", "1", "--reward-timeout", seconds], reward: "command")
        #expect(failed.status != 0)
        for word in words { #expect(failed.errors.contains(word), "\(program): \(failed.errors)") }
      }
    }

    @Test(.timeLimit(.minutes(20)))
    func whatIsWrongIsSaidBeforeAnythingIsLearnt() throws {
      let prompts = try prompts()
      func refused(_ options: [String], _ words: [String], prompts other: String? = nil, reward: String = "exact")
        throws
      {
        let run = try train(other ?? prompts, to: folder.file("none"), options, reward: reward)
        #expect(run.status != 0, "\(options)")
        for word in words { #expect(run.errors.contains(word), "\(options): \(run.errors)") }
      }
      try refused([], ["bad.jsonl", "answer"], prompts: try file("bad.jsonl", ["{\"prompt\":\"a\"}"]))
      try refused([], ["missing.jsonl"], prompts: folder.file("missing.jsonl"))
      try refused([], ["nothing"], reward: "nothing")
      try refused(["--group-size", "1"], ["--group-size", "2 or more"])
      try refused(["--updates", "3"], ["--updates", "divisor"])
      try refused(["--temperature", "0"], ["--temperature"])
      try refused(["--max-new-tokens", "9999999"], ["context", "--max-new-tokens"])
      try refused(["--preset", "ppo"], ["preset"])
      try refused([], ["--reward-command"], reward: "command")
      // A place in a file has the file's name.
      let long = try file("long.jsonl", ["{\"prompt\":\"a\",\"answer\":\"b\"}"])
      try refused(["--held-out", long, "--max-new-tokens", "9999999"], ["prompts.jsonl\", line 1"])
      try refused(
        [], ["long.jsonl\", line 1", "shorten it"],
        prompts: try file(
          "long.jsonl", ["{\"prompt\":\"\(String(repeating: "x y ", count: 500_000))\",\"answer\":\"b\"}"]))
    }

    @Test func samplesNeedAPlaceForReasoningAndForThemselves() throws {
      let prompts = try prompts()
      func refused(_ options: [String], _ words: [String]) throws {
        let run = try Program.run(
          [
            "sample", "--model", try Golden("deepseek_v3_bf16").folder, "--prompts", prompts, "--max-new-tokens", "4",
            "--threads", "1",
          ] + options)
        #expect(run.status != 0 && run.output.isEmpty, "\(options)")
        for word in words { #expect(run.errors.contains(word), "\(options): \(run.errors)") }
      }
      let before = try Data(contentsOf: URL(filePath: prompts))
      try refused(["--reward", "contains", "--out", prompts], ["overwrite the prompts"])
      #expect(try Data(contentsOf: URL(filePath: prompts)) == before)
      let template = try file("closed.jinja", ["{{ messages[0].content }}<think></think>"])
      try refused(
        ["--reward", "format", "--out", folder.file("out.jsonl"), "--chat-template", template],
        ["prompts.jsonl\", line 1", "ends the reasoning"])
    }

    @Test(.timeLimit(.minutes(20)))
    func rightAnswersAreKept() throws {
      func sample(
        _ prompts: String, _ out: String, _ options: [String] = [], reward: String = "exact", ranks: Int? = nil
      ) throws -> JSONValue {
        let run = try Program.run(
          [
            "sample", "--model", try Golden("deepseek_v3_bf16").folder, "--prompts", prompts, "--reward", reward,
            "--samples", "3", "--max-new-tokens", "12", "--seed", "4", "--threads", "1", "--json", "--out",
            folder.file(out),
          ] + options, ranks: ranks)
        #expect(run.status == 0, "\(run.errors)")
        return try #require(try lines(run).first)
      }
      func kept(_ name: String) throws -> [JSONValue] {
        try String(contentsOfFile: folder.file(name), encoding: .utf8).split(separator: "\n")
          .map { try JSONValue(parsing: Array($0.utf8)) }
      }
      let all = try sample(try prompts(), "all.jsonl", ["--keep", "all"], reward: "length")
      #expect(all["completions"]?.exactInt == 27 && all["kept"]?.exactInt == 27)
      // What the first of three says to each prompt is what is right.
      let said = try kept("all.jsonl").map { try #require($0["messages"]?.array?.last?["content"]?.string) }
      let asked = try file(
        "asked.jsonl",
        (0..<9).map { number in
          let line: JSONValue = [
            "messages": [["role": "user", "content": .string("Say \(number)")]], "answer": .string(said[3 * number]),
          ]
          return line.text()
        })
      let told = try sample(asked, "right.jsonl")
      let right = try kept("right.jsonl")
      #expect(told["right"]?.exactInt == right.count && right.count >= 9 && right.count < 27)
      for line in right {
        #expect(line["messages"]?.array?.last?["role"]?.string == "assistant")
        #expect(line["outcome"]?.string == "right" && line["reward"]?.double == 1)
      }
      _ = try sample(asked, "two.jsonl", ranks: 2)
      #expect(try kept("two.jsonl") == right)
      #expect(try sample(asked, "best.jsonl", ["--keep", "best"])["kept"]?.exactInt == 9)
      // What was kept is what sft takes.
      let learnt = try Program.run([
        "train", "sft", "--model", try Golden("deepseek_v3_bf16").folder, "--data", folder.file("all.jsonl"), "--out",
        folder.file("sft"), "--steps", "1", "--sequence-length", "48", "--batch-sequences", "2", "--threads", "1",
        "--json",
      ])
      #expect(learnt.status == 0, "\(learnt.errors)")
    }

    @Test(.timeLimit(.minutes(20)))
    func promptsAndCompletionsAreLearntAsText() throws {
      let data = try file("text.jsonl", ["{\"prompt\":\"one two\",\"completion\":\" three\"}"])
      let run = try Program.run([
        "train", "sft", "--model", try Golden("deepseek_v3_bf16").folder, "--data", data, "--out",
        folder.file("text"), "--steps", "1", "--sequence-length", "24", "--batch-sequences", "2", "--packing", "cut",
        "--threads", "1", "--json",
      ])
      #expect(run.status == 0, "\(run.errors)")
      #expect((try lines(run).first?["tokens"]?.exactInt ?? 0) > 0)
    }
  }
}
