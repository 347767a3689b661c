import Checkpoints
import Foundation
import JSON
import Tensors
import TestSupport
import Testing

extension CommandTests {
  struct MakeCheckpointTests {
    private let folder = TemporaryFolder()

    private func make(_ config: String, _ out: String, _ options: [String] = []) throws -> HuggingFaceFolder {
      let path = folder.file(out)
      let run = try Program.run(["bench", "make-checkpoint", "--shape", config, path] + options)
      #expect(run.status == 0 && run.output.isEmpty, "\(config): \(run.errors)")
      return try HuggingFaceFolder(path: path)
    }

    private func weights(_ checkpoint: HuggingFaceFolder) throws -> [[UInt8]] {
      try checkpoint.entries.map { try checkpoint.readAll($0) }
    }

    @Test(.timeLimit(.minutes(20))) func tensorsAreThoseOfThePublishedLayout() throws {
      for name in Golden.names {
        let golden = try HuggingFaceFolder(path: Golden(name).folder)
        let made = try make(golden.path + "/config.json", name)
        #expect(made.config["quantization_config"] == nil)
        guard golden.config["quantization_config"] == nil else { continue }
        let layers = golden.config["num_hidden_layers"]!.exactInt!
        let isTied = golden.config["tie_word_embeddings"]?.bool ?? false
        func layout(_ checkpoint: HuggingFaceFolder) -> Set<String> {
          Set(
            checkpoint.entries.filter { entry in
              let parts = entry.name.split(separator: ".")
              let isPrediction = parts[1] == "layers" && Int(parts[2])! >= layers
              return !isPrediction && !(isTied && entry.name == "lm_head.weight")
            }.map { "\($0.name) \($0.shape)" })
        }
        #expect(layout(made) == layout(golden), "\(name)")
        #expect(made.entries.allSatisfy { $0.type == ($0.name.hasSuffix("correction_bias") ? .float32 : .bfloat16) })
      }
    }

    @Test(.timeLimit(.minutes(20))) func theModelRunsAndRanksMakeNoDifference() throws {
      for name in ["deepseek_v3", "qwen3_moe", "mixtral"] {
        let made = try make(Golden(name).folder + "/config.json", name)
        let arguments = [
          "generate", "--model", made.path, "--prompt", "the tale of a sun", "--max-new-tokens", "8", "--json",
        ]
        let runs = try [1, 2].map { ranks in try Program.run(arguments, ranks: ranks == 1 ? nil : ranks) }
        #expect(runs.allSatisfy { $0.status == 0 }, "\(name): \(runs[0].errors)\(runs[1].errors)")
        let answers = try runs.map { try jsonLines($0)[0] }
        #expect(
          ints(answers[0]["token_ids"]).count == 8 && ints(answers[1]["token_ids"]) == ints(answers[0]["token_ids"]),
          "\(name)")
        #expect(answers[0]["text"]?.string?.isEmpty == false, "\(name)")
      }
    }

    /// A table of experts by token is integers, and what weighs streams is fp32.
    @Test(.timeLimit(.minutes(20))) func compressedAttentionRunsToo() throws {
      let golden = try HuggingFaceFolder(path: Golden.fixtures.appending(path: "compressed/deepseek_v4").path)
      var config = try #require(golden.config.object)
      config["vocab_size"] = 320
      folder.write(JSONValue.object(config).text(), as: "shape.json")
      let made = try make(folder.file("shape.json"), "made")
      let table = try #require(made.tensor("layers.0.ffn.gate.tid2eid"))
      #expect(table.type == .int64 && table.shape == [320, 2])
      #expect(
        made.tensor("layers.1.hc_attn_fn")?.type == .float32
          && made.tensor("embed.weight")?.type == .bfloat16)
      let arguments = [
        "generate", "--model", made.path, "--prompt", "the tale of a sun", "--max-new-tokens", "8", "--json",
      ]
      let runs = try [1, 2].map { ranks in try Program.run(arguments, ranks: ranks == 1 ? nil : ranks) }
      #expect(runs.allSatisfy { $0.status == 0 }, "\(runs[0].errors)\(runs[1].errors)")
      let answers = try runs.map { ints(try jsonLines($0)[0]["token_ids"]) }
      #expect(answers[0].count == 8 && answers[0] == answers[1])
    }

    @Test(.timeLimit(.minutes(20))) func weightsDependOnTheSeedAndNotOnThreads() throws {
      let config = try Golden("mixtral").folder + "/config.json"
      let first = try weights(make(config, "a", ["--threads", "1"]))
      #expect(try weights(make(config, "b", ["--threads", "2"])) == first)
      #expect(try weights(make(config, "c", ["--seed", "1"])) != first)
    }

    @Test func weightsAreInTheFormThatWasAskedFor() throws {
      for (format, type) in [("bf16", "BF16"), ("f32", "F32")] {
        let made = try make(Golden("mixtral").folder + "/config.json", format, ["--weights", format])
        #expect(Set(made.entries.map(\.type.rawValue)) == [type])
      }
    }

    @Test(.timeLimit(.minutes(20))) func whatCannotBeMadeLeavesNothingBehind() throws {
      let config = try Golden("mixtral").folder + "/config.json"
      folder.write("x", as: "note.txt")
      func changed(_ members: [String: JSONValue]) throws -> String {
        var object = try JSONValue(parsing: Data(contentsOf: URL(filePath: config))).object!
        for (key, value) in members { object[key] = value }
        return folder.write(JSONValue.object(object).text(), as: "\(UUID().uuidString).json")
      }
      let cases: [(shape: String, out: String, message: String)] = [
        ("mixtral-tiny", "out", "mixtral-small"), (folder.file("none.json"), "out", "No such file"),
        (folder.file("note.txt"), "out", "note.txt"), (config, "note.txt", "not an empty folder"),
        (config, "", "not an empty folder"),
        (config, "no/such/place", "No such file"),
        (try changed(["vocab_size": 200]), "out", "vocab_size = 200"),
        (try changed(["hidden_size": 7]), "out", "config.json"),
        (try changed(["num_local_experts": 8192, "num_hidden_layers": 1024]), "out", "tensors"),
        (
          try changed(["num_local_experts": 8192, "intermediate_size": .int(1 << 20), "hidden_size": .int(1 << 20)]),
          "out", "TiB"
        ),
        (try changed(["intermediate_size": .int(1 << 20), "hidden_size": .int(1 << 20)]), "out", "free"),
      ]
      for (shape, out, message) in cases {
        let run = try Program.run(["bench", "make-checkpoint", "--shape", shape, folder.file(out)])
        #expect(run.status == 1 && run.errors.contains(message), "\(shape) \(out): \(run.status) \(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("out")), "\(shape)")
      }
      #expect(try String(contentsOfFile: folder.file("note.txt"), encoding: .utf8) == "x")
    }
  }
}
