import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Checkpoints that are not what they should be: one clear message, exit code 1, on one rank and on two.
  struct DamagedCheckpointTests {
    struct Damage: Sendable, CustomTestStringConvertible {
      var name: String
      var golden = "deepseek_v3"
      /// What the message must name.
      var words: [String]
      var apply: @Sendable (DamagedCheckpoint) throws -> Void
      var testDescription: String { name }
    }

    private let folder = TemporaryFolder()

    static let shard = "model-00002-of-00003.safetensors"

    static let files: [Damage] = [
      Damage(name: "no config.json", words: ["config.json", "download"]) { try $0.remove("config.json") },
      Damage(name: "config.json is cut off", words: ["config.json", "byte 5"]) {
        try $0.write("{\"a\":", as: "config.json")
      },
      Damage(name: "a shard is missing", words: [shard, "download"]) { try $0.remove(shard) },
      Damage(name: "a shard is cut off", words: [shard, "past the file's"]) {
        try $0.edit(shard) { $0.removeLast(100) }
      },
      Damage(name: "a shard is cut off in its header", words: [shard, "download"]) {
        try $0.edit(shard) { $0 = $0.prefix(100) }
      },
      Damage(name: "a shard is empty", words: [shard, "0 bytes"]) { try $0.edit(shard) { $0 = Data() } },
      Damage(name: "a shard lies elsewhere", words: ["../x.safetensors", "plain file name"]) {
        try $0.edit("model.safetensors.index.json") {
          $0 = Data(String(decoding: $0, as: UTF8.self).replacingOccurrences(of: shard, with: "../x.safetensors").utf8)
        }
      },
      Damage(name: "a header beyond the file", words: [shard, "header"]) {
        try $0.edit(shard) { $0.replaceSubrange(0..<8, with: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]) }
      },
      Damage(name: "overlapping tensors", words: [shard, "tensor"]) {
        try $0.editHeader(shard) { $0.replacing(/"data_offsets": ?\[0, ?/, with: "\"data_offsets\":[4,") }
      },
      Damage(name: "an element type nobody knows", words: ["F9_E9M9", shard]) {
        try $0.editHeader(shard) { $0.replacing(/"F32"/, with: "\"F9_E9M9\"", maxReplacements: 1) }
      },
      Damage(name: "integers for weights", words: ["tensor", "I32"]) {
        try $0.editHeader(shard) { $0.replacing("\"F32\"", with: "\"I32\"") }
      },
      Damage(name: "NaN among FP8 scales", golden: "deepseek_v3_fp8", words: ["weight_scale_inv", "nan"]) {
        try $0.poke("experts.3.up_proj.weight_scale_inv", DamagedCheckpoint.nan)
      },
      Damage(name: "NaN among MXFP4 scales", golden: "gpt_oss_mxfp4", words: ["gate_up_proj_scales", "index 5"]) {
        try $0.poke("gate_up_proj_scales", [255], at: 5)
      },
      Damage(name: "NaN in a norm", words: ["input_layernorm", "not finite"]) {
        try $0.poke("0.input_layernorm.weight", DamagedCheckpoint.nan)
      },
      Damage(name: "NaN in the head", words: ["not finite", "download"]) {
        try $0.poke("lm_head.weight", DamagedCheckpoint.nan, at: 4096)
      },
      Damage(name: "NaN in every embedding", words: ["not finite"]) {
        try $0.poke("embed_tokens.weight", DamagedCheckpoint.nan, repeats: true)
      },
    ]

    static let settings: [(key: String, value: JSONValue, words: [String])] = [
      ("model_type", .string("frobnicator"), ["frobnicator", "deepseek_v3"]), ("model_type", .int(5), ["model_type"]),
      ("hidden_size", .int(80), ["model.embed_tokens.weight", "[512, 64]", "[512, 80]"]),
      ("hidden_size", .int(-64), ["hidden_size", "-64"]), ("hidden_size", .double(64.5), ["hidden_size", "64.5"]),
      ("vocab_size", .int(1 << 62), ["vocab_size"]), ("vocab_size", .number(JSONNumber(text: "1e400")), ["vocab_size"]),
      ("num_hidden_layers", .int(9), ["model.layers.4.", "download"]),
      ("num_hidden_layers", .int(1 << 40), ["num_hidden_layers"]),
      ("num_hidden_layers", .int(2), ["num_hidden_layers = 2", "layer 2"]),
      ("num_experts_per_tok", .int(99), ["num_experts_per_tok = 99", "24"]),
      ("num_experts_per_tok", .int(0), ["num_experts_per_tok"]),
      ("n_group", .int(7), ["n_group = 7"]), ("topk_group", .int(100), ["topk_group"]),
      ("kv_lora_rank", .int(1 << 31), ["kv_lora_rank"]), ("qk_rope_head_dim", .int(3), ["3"]),
      ("max_position_embeddings", .int(0), ["max_position_embeddings"]),
      ("rms_norm_eps", .string("small"), ["rms_norm_eps"]),
      ("rope_theta", .int(-1), ["rope_theta"]), ("hidden_act", .string("relu"), ["hidden_act", "relu"]),
      ("quantization_config", ["quant_method": "bitsandbytes"], ["bitsandbytes", "fp8"]),
      ("quantization_config", .int(5), ["quantization_config"]),
      ("rope_scaling", ["type": "bogus", "factor": .int(2)], ["bogus", "yarn"]),
      ("first_k_dense_replace", .int(-1), ["first_k_dense_replace"]),
    ]

    private static let generation = ["--prompt-ids", "0,5,6", "--max-new-tokens", "4", "--ignore-eos"]

    private func expectRefusal(_ path: String, _ words: [String], ranks: Int? = nil) throws {
      let run = try Program.run(["generate", "--model", path] + Self.generation, ranks: ranks)
      #expect(run.status == 1 && !run.isCrash, "\(run.status): \(run.errors)")
      let complaints = run.errors.split(separator: "\n").filter { line in words.allSatisfy { line.contains($0) } }
      #expect(complaints.count == 1 && complaints[0].hasPrefix("martinet: "), "\(words) in: \(run.errors)")
      #expect(!run.errors.contains("Fatal error") && !run.errors.contains("tokens/s"), "\(run.errors)")
    }

    @Test(arguments: files) func damageIsNamed(_ damage: Damage) throws {
      let model = try DamagedCheckpoint(damage.golden, in: folder)
      try damage.apply(model)
      try expectRefusal(model.path, damage.words)
    }

    @Test func settingsThatCannotBeAreNamed() throws {
      for (key, value, words) in Self.settings {
        try withTemporaryFolder { folder in
          let model = try DamagedCheckpoint("deepseek_v3", in: folder)
          try model.set([key: value])
          try expectRefusal(model.path, words)
        }
      }
    }

    @Test func aMissingFolderIsNamed() throws {
      try expectRefusal(folder.file("absent"), [folder.file("absent"), "config.json"])
    }

    /// Failures of every stage: opening, agreeing on shapes, reading, computing.
    @Test(
      .timeLimit(.minutes(20)), arguments: ["a shard is missing", "NaN among FP8 scales", "NaN in every embedding"])
    func severalRanksEndTogetherWithOneMessage(_ name: String) throws {
      let damage = Self.files.first { $0.name == name }!
      let model = try DamagedCheckpoint(damage.golden, in: folder)
      try damage.apply(model)
      try expectRefusal(model.path, damage.words, ranks: 2)
    }

    @Test(.timeLimit(.minutes(20))) func ranksThatSeeOtherFilesSaySo() throws {
      let model = try DamagedCheckpoint("deepseek_v3", in: folder)
      try model.set(["rope_theta": .int(10001)])
      let one = ["generate", "--model", try Golden("deepseek_v3").folder] + Self.generation
      let other = ["generate", "--model", model.path] + Self.generation
      let run = try Program.execute(
        Program.mpirun(ranks: 1) + [Program.path] + one + [":", "-n", "1", Program.path] + other)
      #expect(
        run.status == 1 && run.errors.contains("rank 1 (") && run.errors.contains("another config.json"),
        "\(run.errors)")
    }
  }
}
