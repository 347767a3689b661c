import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Models with gated DeltaNet or compressed attention, which keep a state of each sequence, from a shape to a
  /// student: the same files on any number of ranks, with and without recomputation, and after a stop.
  struct TrainRecurrentTests {
    private let folder = TemporaryFolder()

    /// The settings of a family's fixture, for the tokens of the goldens' tokenizer.
    private func shape(_ family: String) throws -> String {
      let bytes = try Data(contentsOf: URL(filePath: FamilyFixtures.folder(family) + "/config.json"))
      var config = try #require(try JSONValue(parsing: Array(bytes)).object)
      var text = config["text_config"]?.object ?? config
      text["vocab_size"] = 512
      text["eos_token_id"] = 1
      // Whatever is read here is seen whole.
      if text["index_topk"] != nil { text["index_topk"] = 48 }
      if config["text_config"] == nil { config = text } else { config["text_config"] = .object(text) }
      return folder.write(JSONValue.object(config).text(), as: "\(family).json")
    }

    private func file(_ name: String, _ lines: [JSONValue]) -> String {
      folder.write(lines.map { $0.text() + "\n" }.joined(), as: name)
    }

    /// Four steps of `train KIND`, with a checkpoint after the second.
    private func train(
      _ kind: String, to out: String, _ options: [String], ranks: Int? = nil
    ) throws -> [JSONValue] {
      let run = try Program.run(
        [
          "train", kind, "--out", folder.file(out), "--steps", "4", "--save-every", "2", "--learning-rate", "1e-2",
          "--threads", "1", "--json",
        ] + options, ranks: ranks)
      #expect(run.status == 0, "\(kind) \(options): \(run.errors)")
      return try jsonLines(run)
    }

    private func files(_ out: String) throws -> [Data] {
      try ["step-000004/model.safetensors", "step-000004/config.json", "state-000004/state.safetensors"].map {
        try Data(contentsOf: URL(filePath: "\(folder.file(out))/\($0)"))
      }
    }

    private func model(_ out: String) -> String { folder.file(out) + "/step-000004" }

    /// Runs a training alone, and on three ranks with recomputation; and that again from its second step on, on two
    /// ranks without. Returns what the first told.
    private func trainAnyWay(_ kind: String, to out: String, _ options: [String]) throws -> [JSONValue] {
      let told = try train(kind, to: out, options)
      #expect(told.count == 4)
      let (whole, losses) = (try files(out), told.map { $0["loss"] })
      let other = "\(out)-spread"
      #expect(try train(kind, to: other, options + ["--recompute"], ranks: 3).map { $0["loss"] } == losses, "\(kind)")
      #expect(try files(other) == whole, "\(kind) on three ranks")
      for part in ["step", "state"] {
        try FileManager.default.removeItem(atPath: "\(folder.file(other))/\(part)-000004")
      }
      folder.write("step-000002\n", as: "\(other)/latest")
      let rest = try train(kind, to: other, options + ["--resume"], ranks: 2)
      #expect(rest.map { $0["loss"] } == Array(losses.dropFirst(2)), "\(kind) gone on with")
      #expect(try files(other) == whole, "\(kind) gone on with")
      return told
    }

    /// A new model, of documents that do not see each other.
    private func pretraining(_ family: String) throws -> [String] {
      [
        "--shape", try shape(family), "--tokenizer", try Golden("deepseek_v3_bf16").folder, "--data",
        folder.write(TinyCorpus.documents(40, step: 3), as: "data.jsonl"), "--held-out",
        folder.write(TinyCorpus.documents(5, step: 3), as: "held-out.jsonl"), "--packing", "whole",
        "--sequence-length", "24", "--batch-sequences", "5",
      ]
    }

    private var conversations: String {
      file(
        "conversations.jsonl",
        (0..<8).map { number in
          [
            "messages": [
              ["role": "user", "content": .string("What is \(number)?")],
              ["role": "assistant", "content": "no, that is what it is not"],
            ]
          ]
        })
    }

    /// Longer than a block of the cache: completions of a group go on from one state.
    private var prompts: String {
      file(
        "prompts.jsonl",
        (0..<6).map { number in
          let text = "To be or not to be, that is the question, and the answer that is asked for here is \(number)"
          return ["messages": [["role": "user", "content": .string(text)]], "answer": "e"]
        })
    }

    @Test(.timeLimit(.minutes(20)), arguments: FamilyFixtures.deltas + FamilyFixtures.compressed)
    func aNewModelLearnsText(family: String) throws {
      // A module's layer has attention, unlike the last one here, or no entries.
      let module = ["qwen3_5_moe", "deepseek_v4"].contains(family) ? ["--prediction-loss", "0.3"] : []
      let told = try trainAnyWay("pretrain", to: "new", try pretraining(family) + module)
      let losses = told.compactMap { $0["loss"]?.double }
      #expect(losses.count == 4 && losses[3] < losses[0], "\(losses)")
      #expect(told.last?["held_out_loss"]?.double?.isFinite == true)
      let score = try Program.run(["score", "--model", model("new"), "--token-ids", "0,3,6,9,12"])
      #expect(score.status == 0, "\(score.errors)")
    }

    @Test(.timeLimit(.minutes(20)), arguments: ["qwen3_next", "qwen3_5", "deepseek_v4_saved"])
    func itLearnsConversationsAndByTrialAndError(family: String) throws {
      _ = try train("pretrain", to: "new", try pretraining(family))
      let talks = [
        "--data", conversations, "--sequence-length", "40", "--batch-sequences", "4", "--packing", "cut",
      ]
      _ = try trainAnyWay("sft", to: "chat", ["--model", model("new")] + talks)
      let told = try trainAnyWay(
        "grpo", to: "policy",
        [
          "--model", model("chat"), "--prompts", prompts, "--held-out", prompts, "--reward", "format,length=0.5",
          "--reward-format-pattern", "[\\s\\S]*e[\\s\\S]*", "--prompts-per-step", "3", "--group-size", "4",
          "--max-new-tokens", "12", "--reference-penalty", "0.01",
        ])
      for line in told {
        #expect(line["max_log_ratio"]?.double == 0, "\(line.text())")
      }
      // Who ends at once leaves no state behind.
      let read = told.map { ($0["prompt_tokens_read"]?.exactInt ?? 0, $0["prompt_tokens"]?.exactInt ?? 0) }
      #expect(read.allSatisfy { $0 > 0 && $0 <= $1 } && read.contains { 2 * $0 <= $1 }, "\(read)")
      #expect(told.contains { ($0["signal_groups"]?.exactInt ?? 0) > 0 }, "nothing was learnt")
    }

    /// From one with states to one without, and the other way round, by completions that both sample.
    @Test(.timeLimit(.minutes(20)))
    func itTeachesAndIsTaught() throws {
      _ = try train("pretrain", to: "new", try pretraining("qwen3_5_moe"))
      let sampling = ["--prompts", prompts, "--prompts-per-step", "4", "--max-new-tokens", "6", "--own-share", "0.5"]
      let (golden, dense) = (try Golden("deepseek_v3_bf16").folder, try Golden("qwen2").folder)
      for (out, teacher, student) in [("taught", golden, model("new")), ("teaching", model("new"), dense)] {
        let told = try trainAnyWay("distill", to: out, ["--teacher", teacher, "--model", student] + sampling)
        for line in told {
          #expect(line["own_completions"]?.exactInt == 2, "\(line.text())")
          #expect(line["loss"]?.double.map { $0 > 0 } == true, "\(line.text())")
        }
      }
      let text = try train(
        "distill", to: "text",
        [
          "--teacher", model("new"), "--shape", try shape("qwen3_5"), "--data", conversations, "--sequence-length",
          "40", "--batch-sequences", "4", "--packing", "whole",
        ], ranks: 2)
      #expect(text.count == 4 && text.allSatisfy { $0["loss"]?.double.map { $0 > 0 } == true })
    }

    /// What a GGUF file of such a model lacks is what is learnt.
    @Test func filesThatLackWhatIsLearntAreRefused() throws {
      let model = Golden.fixtures.appending(path: "gguf/qwen3_5.gguf").path
      let data = folder.write(TinyCorpus.documents(9, step: 3), as: "data.jsonl")
      let golden = try Golden("qwen2").folder
      for options in [
        ["pretrain", "--model", model, "--data", data], ["sft", "--model", model, "--data", conversations],
        ["distill", "--teacher", golden, "--model", model, "--data", data],
        ["grpo", "--model", model, "--prompts", prompts, "--reward", "exact"],
      ] {
        for more in [[], ["--dry-run"]] {
          let run = try Program.run(["train"] + options + ["--out", folder.file("none"), "--steps", "1"] + more)
          #expect(run.status == 1 && run.output.isEmpty, "\(options): \(run.status) \(run.output)")
          for word in ["qwen3_5", "GGUF", "A_log", "give the folder that the file was made of"] {
            #expect(run.errors.contains(word), "\(options): \(run.errors)")
          }
        }
      }
      #expect(!FileManager.default.fileExists(atPath: folder.file("none")))
    }
  }
}
