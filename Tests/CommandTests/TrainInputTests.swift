import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// What a training cannot be made of is said before anything is computed, once, in words.
  struct TrainInputTests {
    private let corpus: TinyCorpus

    init() throws { corpus = try TinyCorpus() }

    private func expectRefusal(
      _ options: [String], _ words: [String], out: String? = nil, ranks: Int? = nil
    ) throws {
      let run = try corpus.train(to: out ?? corpus.folder.file("out"), options, ranks: ranks)
      #expect(run.status != 0 && !run.isCrash && run.output.isEmpty, "\(options): \(run.status) \(run.errors)")
      let told = run.errors.split(separator: "\n").filter { line in words.allSatisfy { line.contains($0) } }
      // The parser's words come with an option's help.
      #expect(
        words[0].hasPrefix("--") ? !told.isEmpty : told.count == 1, "\(options): \(words) in: \(run.errors)")
    }

    @Test func numbersThatNoTrainingHasAreNamed() throws {
      for (options, word) in [
        (["--learning-rate", "0"], "the learning rate is 0.0"),
        (["--learning-rate", "-1"], "the learning rate is -1.0"),
        (["--learning-rate", "inf"], "the learning rate is inf"),
        (["--learning-rate", "nan"], "the learning rate is nan"), (["--steps", "0"], "number of steps is 0"),
        (["--steps", "-5"], "number of steps is -5"), (["--batch-sequences", "0"], "sequences a step is 0"),
        (["--sequence-length", "0"], "sequence length of 0"),
        (["--sequence-length", "99999999"], "sequence length of"),
        (["--save-every", "0"], "between checkpoints is 0"), (["--keep", "0"], "--keep"), (["--clip", "-1"], "-1"),
        (["--clip", "nan"], "nan"), (["--weight-decay", "nan"], "nan"), (["--weight-decay", "-1"], "-1"),
        (["--warmup-steps", "5"], "warm-up is 5 steps"), (["--final-rate", "2"], "final part"),
        (["--decay-share", "2"], "2.0"), (["--balance-loss", "nan"], "balance"), (["--balance-speed", "-1"], "-1"),
        (["--z-loss", "inf"], "z-loss"), (["--spike-factor", "0.5"], "factor of a spike is 0.5"),
        (["--spike-factor", "nan"], "factor of a spike is nan"), (["--skip-limit", "0"], "skipped in a row is 0"),
        (["--seed", "-1"], "--seed"), (["--on-bad-step", "hope"], "--on-bad-step"),
        (["--checkpoints", "never"], "--checkpoints"), (["--max-restarts", "-1"], "--max-restarts"),
      ] { try expectRefusal(options, [word]) }
      try expectRefusal(["--learning-rate", "0"], ["the learning rate is 0.0"], ranks: 2)
      #expect(!FileManager.default.fileExists(atPath: corpus.folder.file("out")))
    }

    @Test(arguments: [nil, 2]) func aChoiceOfPositionsWithoutABackwardPassIsRefused(ranks: Int?) throws {
      let model = try Golden("glm_moe_dsa").folder
      try expectRefusal(["--model", model], ["glm_moe_dsa", "at most 8 tokens"], ranks: ranks)
      try expectRefusal(["--model", model, "--dry-run"], ["glm_moe_dsa", "at most 8 tokens"], ranks: ranks)
      let plan = try Program.run([
        "plan", "--train", "--model", model, "--nodes", "1", "--memory", "4", "--cores", "8", "--tokens", "1e9",
      ])
      #expect(plan.status != 0 && plan.errors.contains("at most 8 tokens"), "\(plan.errors)")
    }

    @Test func dataThatCannotBeReadAreNamed() throws {
      let cases: [(name: String, content: [UInt8], words: [String])] = [
        ("empty.jsonl", [], ["empty.jsonl", "no tokens"]), ("empty.txt", [], ["empty.txt", "no tokens"]),
        (
          "latin.jsonl", Array("{\"text\":\"caf".utf8) + [0xE9] + Array("\"}\n".utf8),
          ["latin.jsonl", "line 1", "UTF-8"]
        ),
        ("latin.txt", Array("one\ntwo caf".utf8) + [0xE9, 10], ["latin.txt", "line 2", "UTF-8"]),
        ("beyond.jsonl", Array("{\"token_ids\":[1,2]}\n{\"token_ids\":[3,512]}\n".utf8), ["line 2", "512", "511"]),
        ("negative.jsonl", Array("{\"token_ids\":[1,-2]}\n".utf8), ["negative.jsonl", "line 1"]),
        ("other.jsonl", Array("{\"story\":\"x\"}\n".utf8), ["other.jsonl", "line 1", "token_ids"]),
        ("cut.jsonl", Array("{\"token_ids\":[1,".utf8), ["cut.jsonl", "line 1"]),
        ("short.jsonl", Array("{\"token_ids\":[1,2,3]}\n".utf8), ["short.jsonl", "--sequence-length"]),
        ("no.npy", Array("not numpy".utf8), ["no.npy", "NumPy"]),
      ]
      for (name, content, words) in cases {
        let file = corpus.folder.write(content, as: name)
        try expectRefusal(["--data", file], words)
        try expectRefusal(["--held-out", file], words)
      }
      try expectRefusal(["--data", corpus.folder.file("none.jsonl")], ["none.jsonl", "No such file"], ranks: 2)
      try expectRefusal(["--data", "\(corpus.data)=0,\(corpus.data)=1"], ["weight"])
      #expect(TinyCorpus.latest(corpus.folder.file("out")).isEmpty)
    }

    @Test func shapesThatAreNoneAreNamed() throws {
      let config = try JSONValue(parsing: try Data(contentsOf: URL(filePath: corpus.model + "/config.json")))
      for (key, value, word) in [
        ("num_experts_per_tok", JSONValue.int(99), "num_experts_per_tok"), ("hidden_size", .int(0), "hidden_size"),
        ("hidden_size", .string("big"), "hidden_size"), ("n_group", .int(5), "n_group"),
        ("vocab_size", .int(-1), "vocab_size"), ("model_type", .string("nobody"), "nobody"),
        ("num_hidden_layers", .int(1 << 40), "num_hidden_layers"),
      ] {
        var changed = try #require(config.object)
        changed[key] = value
        let path = corpus.folder.write(JSONValue.object(changed).text(), as: "shape.json")
        let run = try Program.run(
          corpus.arguments(to: corpus.folder.file("out"), ["--shape", path]).filter {
            $0 != "--model" && $0 != corpus.model
          })
        #expect(run.status == 1 && run.errors.contains(word), "\(key): \(run.status) \(run.errors)")
      }
      let broken = corpus.folder.write("{\"hidden_size\":", as: "shape.json")
      let run = try Program.run(
        corpus.arguments(to: corpus.folder.file("out"), ["--shape", broken]).filter {
          $0 != "--model" && $0 != corpus.model
        })
      #expect(run.status == 1 && run.errors.contains("shape.json"), "\(run.errors)")
    }

    @Test func foldersThatCannotBeWrittenAreNamed() throws {
      let file = corpus.folder.write("x", as: "file")
      try expectRefusal([], [file], out: file, ranks: 2)
      try expectRefusal([], ["/proc/none"], out: "/proc/none")
      try expectRefusal([], ["cannot create"], out: "")
    }

    /// Bytes of the two folders of a step.
    private func checkpointSize() throws -> Int {
      let out = corpus.folder.file("measured")
      #expect(try corpus.train(to: out, ["--steps", "1"]).status == 0)
      return try ["step-000001", "state-000001"].reduce(0) { size, name in
        try FileManager.default.contentsOfDirectory(atPath: "\(out)/\(name)").reduce(size) {
          $0 + (FileManager.default.contents(atPath: "\(out)/\(name)/\($1)")?.count ?? 0)
        }
      }
    }

    /// A disk without room is found before the first step; one that fills up later ends the training, and the last
    /// checkpoint stays.
    @Test(.timeLimit(.minutes(20))) func aFullDiskIsTold() throws {
      let out = corpus.folder.file("small")
      try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
      func mounted(
        _ kilobytes: Int, _ options: [String], beside: String = "true", then check: String
      ) throws -> Program.Outcome {
        let words = corpus.arguments(to: out + "/run", options).map { "'\($0)'" }.joined(separator: " ")
        return try Program.execute([
          "timeout", "900", "unshare", "-m", "bash", "-c",
          """
          mount -t tmpfs -o size=\(kilobytes)k none '\(out)' || exit 77; (\(beside)) & beside=$!; \
          '\(Program.path)' \(words); status=$?; kill $beside; \(check); exit $status
          """,
        ])
      }
      let size = try checkpointSize()
      let none = try mounted(size / 2048, [], then: "true")
      // Where nothing can be mounted there is nothing to test.
      guard none.status != 77 else { return }
      #expect(none.status == 1 && none.errors.contains("free"), "\(none.errors)")
      #expect(none.output.isEmpty)
      for mode in ["background", "waiting"] {
        // There is room at the start; another fills it once there is a checkpoint.
        let full = try mounted(
          size / 1024 * 4, ["--checkpoints", mode, "--steps", "400", "--keep", "1"],
          beside:
            """
            while [ ! -e '\(out)/run/latest' ]; do sleep 0.02; done; while :; do cat /dev/zero >> '\(out)/fill'; \
            done 2>/dev/null
            """,
          then: "cat '\(out)/run/latest'; ls '\(out)/run'")
        #expect(full.status == 1, "\(full.status) \(full.errors)")
        #expect(full.errors.contains(".partial") && full.lines.contains { $0.hasPrefix("step-") }, "\(full.errors)")
        #expect(!full.lines.contains { $0.hasSuffix(".partial") })
      }
    }

    @Test(.timeLimit(.minutes(20))) func whatLiesInTheFolderIsLookedAtFirst() throws {
      let out = corpus.folder.file("done")
      #expect(try corpus.train(to: out).status == 0)
      let digest = try TinyCorpus.digest(out, step: 4)
      try expectRefusal([], ["step 4", "--resume"], out: out)
      try expectRefusal(["--resume", "--steps", "2"], ["steps", "4"], out: out, ranks: 2)
      try expectRefusal(["--resume", "--optimizer", "muon"], ["--optimizer adamw"], out: out)
      try expectRefusal(["--resume", "--seed", "9"], ["seed"], out: out)
      try expectRefusal(["--resume", "--model", try Golden("qwen3").folder], ["another model"], out: out)
      let other = corpus.folder.write(TinyCorpus.documents(40, step: 7), as: "other.jsonl")
      try expectRefusal(["--resume", "--data", other], ["other data"], out: out)
      // What was left is gone on with, whatever `latest` says.
      corpus.folder.write("nonsense", as: "done/latest")
      try FileManager.default.removeItem(atPath: out + "/step-000004")
      let resumed = try corpus.train(to: out, ["--resume"])
      #expect(resumed.status == 0 && resumed.lines.count == 2, "\(resumed.errors)")
      #expect(try TinyCorpus.digest(out, step: 4) == digest && TinyCorpus.latest(out) == "step-000004\n")
      let state = out + "/state-000004/state.safetensors"
      var bytes = try Data(contentsOf: URL(filePath: state))
      bytes[bytes.count - 77] ^= 1
      try bytes.write(to: URL(filePath: state))
      try expectRefusal(["--resume"], ["state.safetensors", "damaged"], out: out, ranks: 2)
    }

    /// Two ranks with other files under the same name.
    @Test(.timeLimit(.minutes(20))) func ranksThatSeeOtherDataAreNamed() throws {
      for (name, step) in [("one", 3), ("two", 5)] {
        try FileManager.default.createDirectory(atPath: corpus.folder.file(name), withIntermediateDirectories: true)
        corpus.folder.write(TinyCorpus.documents(40, step: step), as: "\(name)/data.jsonl")
      }
      let words = [Program.path] + corpus.arguments(to: corpus.folder.file("out"), ["--data", "data.jsonl"])
      let run = try Program.execute(
        Program.mpirun(ranks: 1) + ["-wdir", corpus.folder.file("one")] + words
          + [":", "-n", "1", "-wdir", corpus.folder.file("two")] + words)
      #expect(run.status == 1 && run.output.isEmpty, "\(run.errors)")
      #expect(run.errors.components(separatedBy: "rank 1 sees other data").count == 2, "\(run.errors)")
    }

    /// A loss that is no number ends the training under mpirun with one line, of what and where; the checkpoint before
    /// is whole.
    @Test(.timeLimit(.minutes(20))) func aStepsErrorIsToldOnce() throws {
      let out = corpus.folder.file("out")
      let run = try corpus.train(to: out, ["--learning-rate", "1e15", "--save-every", "1"], ranks: 2)
      #expect(run.status == 1 && run.lines.count == 1, "\(run.output)")
      let told = run.errors.split(separator: "\n").filter { $0.contains("is no finite number") }
      #expect(told.count == 1 && told[0].contains("step 2: "), "\(run.errors)")
      #expect(told[0].contains("data.jsonl") && told[0].contains("document"), "\(run.errors)")
      #expect(TinyCorpus.latest(out) == "step-000001\n")
      let skipping = try corpus.train(
        to: out, ["--learning-rate", "1e15", "--save-every", "1", "--resume", "--on-bad-step", "skip"])
      #expect(skipping.status == 0 && skipping.lines.count == 3, "\(skipping.errors)")
      let last = try JSONValue(parsing: try #require(skipping.lines.last))
      #expect(last["skipped"]?.exactInt == 3 && last["skipped_because"]?.string?.contains("loss") == true)
      #expect(last["loss"]?.isNull == true)
    }

    /// More ranks than experts: some have none, and the bits stay.
    @Test(.timeLimit(.minutes(20))) func moreRanksThanExpertsTrainTheSame() throws {
      let few = try TinyCorpus("mixtral")
      let (alone, spread) = (few.folder.file("alone"), few.folder.file("spread"))
      #expect(try few.train(to: alone).status == 0)
      let run = try few.train(to: spread, ranks: 9)
      #expect(run.status == 0, "\(run.errors)")
      #expect(try TinyCorpus.digest(spread, step: 4) == TinyCorpus.digest(alone, step: 4))
    }
  }
}
