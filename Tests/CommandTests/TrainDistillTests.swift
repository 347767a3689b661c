import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet train distill`: a mixture of experts teaches a dense model with the same tokenizer.
  struct TrainDistillTests {
    private let folder = TemporaryFolder()

    private func file(_ name: String, _ lines: [JSONValue]) throws -> String {
      let path = folder.file(name)
      try lines.map { $0.text() + "\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    private func train(
      _ source: [String], to out: String, _ options: [String] = [], teacher: String = "deepseek_v3_bf16",
      student: [String]? = nil, ranks: Int? = nil
    ) throws -> Program.Outcome {
      try Program.run(
        ["train", "distill", "--teacher", try Golden(teacher).folder]
          + (try student ?? ["--model", try Golden("qwen2").folder]) + source + [
            "--out", out, "--steps", "6", "--learning-rate", "5e-3", "--weight-decay", "0", "--threads", "1", "--json",
          ] + options, ranks: ranks)
    }

    private func lines(_ run: Program.Outcome) throws -> [JSONValue] {
      #expect(run.status == 0, "\(run.errors)")
      return try run.lines.map { try JSONValue(parsing: Array($0.utf8)) }
    }

    private func weights(_ out: String) throws -> Data {
      try Data(contentsOf: URL(filePath: out + "/step-000006/model.safetensors"))
    }

    private var prompts: [JSONValue] {
      (0..<9).map { number in
        number % 2 == 0
          ? ["prompt": .string("What is \(number)?")]
          : ["messages": [["role": "user", "content": .string("Say \(number).")]]]
      }
    }

    private var sampling: [String] {
      get throws {
        ["--prompts", try file("prompts.jsonl", prompts), "--prompts-per-step", "4", "--max-new-tokens", "6"]
      }
    }

    @Test(.timeLimit(.minutes(20)), arguments: [1, 0.5, 0])
    func studentsLearnFromSamples(share: Double) throws {
      let options = try sampling + ["--own-share", "\(share)"]
      let alone = try lines(try train(options, to: folder.file("alone")))
      #expect(alone.count == 6)
      for line in alone {
        #expect(line["completions"]?.exactInt == 4)
        #expect(line["own_completions"]?.exactInt == Int(4 * share))
        for key in ["loss", "entropy", "cross_entropy", "gradient_norm"] {
          #expect(line[key]?.double.map { $0 > 0 && $0.isFinite } == true, "\(key): \(line.text())")
        }
        let length = try #require(line["mean_length"]?.double)
        #expect(length >= 1 && length <= 6)
      }
      _ = try lines(try train(options, to: folder.file("spread"), ranks: 3))
      #expect(try weights(folder.file("alone")) == weights(folder.file("spread")))
    }

    @Test(.timeLimit(.minutes(20)))
    func studentsLearnWhatTheTeacherSaysOfText() throws {
      let conversations: [JSONValue] = (0..<8).map { number in
        [
          "messages": [
            ["role": "user", "content": .string("What is \(number)?")],
            ["role": "assistant", "content": "no, that is what it is not"],
          ]
        ]
      }
      let options = [
        "--data", try file("data.jsonl", conversations), "--sequence-length", "48", "--batch-sequences", "4",
        "--packing", "cut",
      ]
      let alone = try lines(try train(options, to: folder.file("alone"), ["--divergence", "0.5"]))
      let losses = alone.compactMap { $0["loss"]?.double }
      #expect(losses.count == 6 && losses[5] < losses[0], "\(losses)")
      _ = try lines(try train(options, to: folder.file("spread"), ["--divergence", "0.5"], ranks: 2))
      #expect(try weights(folder.file("alone")) == weights(folder.file("spread")))

      // A new student gets its teacher's tokenizer.
      let shape = try Golden("qwen2").folder + "/config.json"
      let new = try train(options, to: folder.file("new"), student: ["--shape", shape])
      _ = try lines(new)
      let tokenizers = try [folder.file("new") + "/step-000006", Golden("deepseek_v3_bf16").folder].map {
        try Data(contentsOf: URL(filePath: $0 + "/tokenizer.json"))
      }
      #expect(tokenizers[0] == tokenizers[1])
    }

    @Test func whatCannotBeLearntFromIsSaid() throws {
      let out = folder.file("none")
      func refused(_ run: Program.Outcome, _ words: [String]) {
        #expect(run.status != 0 && !run.isCrash)
        for word in words { #expect(run.errors.contains(word), "\(run.errors)") }
      }
      let prompts = try sampling
      refused(try train(prompts, to: out, teacher: "llama"), ["token 0", "tokenizer"])
      refused(try train(prompts, to: out, ["--own-share", "1.5"]), ["--own-share", "1.5"])
      refused(try train(prompts, to: out, ["--divergence", "-1"]), ["--divergence"])
      refused(try train(prompts, to: out, ["--sequence-length", "12"]), ["--sequence-length", "--data"])
      refused(try train(prompts, to: out, ["--z-loss", "0.1"]), ["--z-loss"])
      refused(try train([], to: out), ["--data", "--prompts"])
      refused(try train(prompts, to: out, student: []), ["--shape", "--model"])
      let bad = try file("bad.jsonl", [["prompt": "a"], ["question": "b"]])
      refused(try train(["--prompts", bad], to: out), ["line 2", "prompt"])
      #expect(!FileManager.default.fileExists(atPath: out))
    }

    @Test func aDryRunCountsTheTeacher() throws {
      let run = try train(try sampling, to: folder.file("dry"), ["--dry-run"])
      #expect(run.status == 0, "\(run.errors)")
      let told = try JSONValue(parsing: Array(run.output.utf8))
      #expect(told["memory"]?["parts"]?["teacher"]?.exactInt.map { $0 > 100_000 } == true, "\(run.output)")
      #expect(told["memory"]?["parts"]?["rollouts"]?.exactInt.map { $0 > 100_000 } == true, "\(run.output)")
    }
  }
}
