import Checkpoints
import Foundation
import JSON
import Tensors
import TestSupport
import Testing

extension CommandTests {
  /// `martinet quantize` and `--weights`.
  struct QuantizeTests {
    static let precisions = ["q8", "q4"]
    private static let prompt = ["--token-ids", "0,5,17,250,3,9,77"]

    private let folder = TemporaryFolder()

    private func quantize(_ model: String, to path: String, _ options: [String]) throws -> Program.Outcome {
      try Program.run(["quantize", model, path] + options)
    }

    /// The bytes of a file of logits.
    private func logits(_ model: String, _ options: [String], ranks: Int? = nil) throws -> Data {
      try withTemporaryFolder { folder in
        let path = folder.file("logits")
        let run = try Program.run(["score", "--model", model, "--logits", path] + Self.prompt + options, ranks: ranks)
        #expect(run.status == 0, "\(run.errors)")
        return try Data(contentsOf: URL(filePath: path))
      }
    }

    /// Shards, an own projection of the query, FP8 with block scales, stacked experts in MXFP4 and transposed in F32, a
    /// shared gate, tied embeddings, an indexer, and a dense model.
    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        "deepseek_v3", "deepseek_v3_noqlora", "deepseek_v3_fp8", "glm_moe_dsa", "gpt_oss_mxfp4", "gpt_oss", "qwen2_moe",
        "qwen3_moe_bf16", "qwen3",
      ])
    func aQuantizedFolderGivesTheBitsOfQuantizingOnLoad(name: String) throws {
      let golden = try Golden(name)
      let stored = try logits(golden.folder, [])
      let whole = try inspect(golden.folder)
      for precision in Self.precisions {
        let path = folder.file(precision)
        let run = try quantize(golden.folder, to: path, ["--weights", precision])
        #expect(run.status == 0, "\(run.errors)")
        let onLoad = try logits(golden.folder, ["--weights", precision, "--threads", "1"])
        #expect(onLoad != stored)
        #expect(try onLoad == logits(path, ["--threads", "2"]))
        #expect(try onLoad == logits(path, ["--threads", "1", "--weights", precision], ranks: 2))
        #expect(try onLoad == logits(golden.folder, ["--weights", precision, "--threads", "3"], ranks: 2))
        // Smaller than stored, unless that was four bits, and beside it all that a model's folder has.
        let held = try inspect(path)
        if name != "gpt_oss_mxfp4" {
          #expect(held["total_bytes"]!.exactInt! < whole["total_bytes"]!.exactInt!)
        }
        #expect(held["total_parameters"] == whole["total_parameters"])
        #expect(
          FileManager.default.contentsEqual(
            atPath: path + "/tokenizer.json", andPath: golden.folder + "/tokenizer.json"))
      }
    }

    private func inspect(_ path: String) throws -> JSONValue {
      let run = try Program.run(["inspect", "--json", path])
      #expect(run.status == 0, "\(run.errors)")
      return try JSONValue(parsing: run.output)
    }

    @Test func fullPrecisionHoldsWhatIsStored() throws {
      for name in ["qwen3_moe_bf16", "deepseek_v3_fp8", "gpt_oss_mxfp4"] {
        let golden = try Golden(name)
        #expect(try logits(golden.folder, []) == logits(golden.folder, ["--weights", "f32"]))
      }
    }

    @Test func roundedWeightsGiveSameBitsOnAnyLayout() throws {
      for name in ["deepseek_v3_fp8", "gpt_oss"] {
        let golden = try Golden(name)
        for precision in ["bf16", "q4"] {
          let alone = try logits(golden.folder, ["--weights", precision, "--threads", "1"])
          #expect(
            try alone
              == logits(golden.folder, ["--weights", precision, "--threads", "2", "--max-batch-tokens", "3"], ranks: 3))
          #expect(try alone == logits(golden.folder, ["--weights", precision, "--isa", "reference"]))
        }
      }
    }

    @Test func routersAndNormsAreWidenedOnRequestWithoutEffect() throws {
      let golden = try Golden("qwen3_moe_bf16")
      let path = folder.file("wide")
      let run = try quantize(golden.folder, to: path, ["--weights", "q8", "--keep-router-and-norms", "f32"])
      #expect(run.status == 0, "\(run.errors)")
      let types = try HuggingFaceFolder(path: path).entries.reduce(into: [:]) { $0[$1.name] = $1.type.rawValue }
      #expect(types["model.norm.weight"] == "F32" && types["model.layers.2.mlp.gate.weight"] == "F32")
      #expect(types["lm_head.weight"] == "I8" && types["model.layers.1.self_attn.q_proj.weight_row_scales"] == "F32")
      #expect(try logits(path, []) == logits(golden.folder, ["--weights", "q8"]))
    }

    @Test func whatCannotBeQuantizedIsRefusedAndLeavesNothing() throws {
      let golden = try Golden("qwen3_moe")
      func expectRefusal(_ model: String, _ out: String, _ options: [String], _ words: [String]) throws {
        let run = try quantize(model, to: out, options)
        #expect(run.status == 1 && !run.isCrash, "\(run.status): \(run.errors)")
        for word in words { #expect(run.errors.contains(word), "\(run.errors)") }
      }
      let q8 = ["--weights", "q8"]
      let full = folder.file("full")
      #expect(try quantize(golden.folder, to: full, q8).status == 0)
      try expectRefusal(golden.folder, full, q8, ["full", "not an empty folder"])
      try expectRefusal(golden.folder, golden.folder, q8, ["not an empty folder"])
      try expectRefusal(full, folder.file("again"), ["--weights", "q4"], ["quantised to q8 already", "original"])
      try expectRefusal(full, folder.file("again"), q8, ["quantised to q8 already"])
      try expectRefusal(golden.folder, folder.file("x"), ["--weights", "bf16"], ["q8 nor q4"])
      try expectRefusal(golden.folder, folder.file("no/such/parent"), q8, ["No such file"])
      try expectRefusal(folder.file("nowhere"), folder.file("x"), q8, ["not a folder"])
      try expectRefusal(folder.file("nowhere"), "", q8, ["not a folder"])
      let damaged = try DamagedCheckpoint("qwen3_moe", in: folder)
      try damaged.poke("layers.2.mlp.experts.5.up_proj.weight", DamagedCheckpoint.nan, at: 64 * 4 * 3)
      try expectRefusal(damaged.path, folder.file("damaged"), q8, ["experts.5.up_proj.weight", "row 2", "NaN"])
      #expect(!FileManager.default.fileExists(atPath: folder.file("damaged")))
      for weights in Self.precisions {
        let run = try Program.run(["score", "--model", damaged.path, "--weights", weights] + Self.prompt, ranks: 2)
        #expect(run.status == 1 && run.errors.contains("row 2"), "\(run.errors)")
      }
      for other in ["f32", "bf16", "q4"] {
        let run = try Program.run(["score", "--model", full, "--weights", other] + Self.prompt)
        #expect(run.status == 1 && run.errors.contains("quantised to q8 already"), "\(run.errors)")
      }
    }

    static let damages: [(name: String, words: [String], apply: @Sendable (DamagedCheckpoint) throws -> Void)] = [
      (
        "NaN among row scales", ["row_scales", "index 2"],
        { try $0.poke("lm_head.weight_row_scales", DamagedCheckpoint.nan, at: 8) }
      ),
      (
        "a negative row scale", ["row_scales", "index 0"],
        { try $0.poke("q_proj.weight_row_scales", [0, 0, 128, 191]) }
      ),
      ("an infinite row scale", ["row_scales", "inf"], { try $0.poke("q_proj.weight_row_scales", [0, 0, 128, 127]) }),
      ("the level -128", ["embed_tokens.weight", "-128"], { try $0.poke("embed_tokens.weight", [0x80], at: 100) }),
      ("another precision", ["I8"], { try $0.setQuantization(["weights": "q4"]) }),
      ("an unknown precision", ["quantization_config.weights", "q5"], { try $0.setQuantization(["weights": "q5"]) }),
      ("a precision that is none", ["quantization_config.weights"], { try $0.setQuantization(["weights": .int(8)]) }),
      ("another block size", ["block_size", "32"], { try $0.setQuantization(["block_size": .int(32)]) }),
      ("no quantization_config", ["I8"], { try $0.set(["quantization_config": nil]) }),
      (
        "row scales of another shape", ["row_scales", "shape"],
        {
          try $0.editHeader($0.firstShard) {
            $0.replacingOccurrences(
              of: "\"lm_head.weight_row_scales\":{\"dtype\":\"F32\",\"shape\":[512]",
              with: "\"lm_head.weight_row_scales\":{\"dtype\":\"F32\",\"shape\":[2,256]")
          }
        }
      ),
      (
        "no block scales", ["lm_head.weight_block_scales"],
        {
          try $0.editHeader($0.firstShard) {
            $0.replacingOccurrences(of: "lm_head.weight_block_scales", with: "lm_head.weight_block_skales")
          }
        }
      ),
      (
        "block scales of another type", ["block_scales", "I8"],
        {
          try $0.editHeader($0.firstShard) {
            $0.replacingOccurrences(
              of: "\"lm_head.weight_block_scales\":{\"dtype\":\"U8\"",
              with: "\"lm_head.weight_block_scales\":{\"dtype\":\"I8\"")
          }
        }
      ),
      (
        "a router in 8 bits", ["mlp.gate.weight"],
        {
          try $0.editHeader($0.firstShard) {
            $0.replacing(/"(model.layers.2.mlp.gate.weight)":\{"dtype":"BF16","shape":\[(\d+),(\d+)\]/) {
              "\"\($0.1)\":{\"dtype\":\"I8\",\"shape\":[\($0.2),\(Int($0.3)! * 2)]"
            }
          }
        }
      ),
    ]

    @Test(.timeLimit(.minutes(20))) func damagedQuantizedFoldersAreRefused() throws {
      let golden = try Golden("qwen3_moe_bf16")
      let path = folder.file("q8")
      #expect(try quantize(golden.folder, to: path, ["--weights", "q8"]).status == 0)
      for damage in Self.damages {
        try withTemporaryFolder { folder in
          let damaged = try DamagedCheckpoint(path: path, in: folder)
          let before = try damaged.bytes(damaged.firstShard) + damaged.bytes("config.json")
          try damage.apply(damaged)
          #expect(try before != damaged.bytes(damaged.firstShard) + damaged.bytes("config.json"), "\(damage.name)")
          let run = try Program.run(["score", "--model", damaged.path] + Self.prompt)
          #expect(run.status == 1 && !run.isCrash, "\(damage.name): \(run.status): \(run.errors)")
          for word in damage.words { #expect(run.errors.contains(word), "\(damage.name): \(run.errors)") }
        }
      }
    }

    /// Bytes of any value in scales and indices mean something: results, but no traps.
    @Test func everyByteOfBlockScalesAndIndicesIsDefined() throws {
      let golden = try Golden("qwen3_moe_bf16")
      let path = folder.file("q4")
      #expect(try quantize(golden.folder, to: path, ["--weights", "q4"]).status == 0)
      let damaged = try DamagedCheckpoint(path: path, in: folder)
      try damaged.poke("q_proj.weight_block_scales", [0, 255, 128], repeats: true)
      try damaged.poke("q_proj.weight", [0xFF, 0x80, 0x08, 0x00], repeats: true)
      let run = try Program.run(["score", "--model", damaged.path] + Self.prompt)
      #expect(!run.isCrash, "\(run.status): \(run.errors)")
    }

    /// Limits that the choice of blocks, levels and scales must keep, on text the demonstration model has not seen.
    @Test(.timeLimit(.minutes(20))) func heldOutTextIsHardlyLessProbable() throws {
      #if DEBUG
        let longest = 60
      #else
        let longest = 512
      #endif
      let file = try Golden.heldOut(longest: longest, in: folder)
      func nats(_ precision: String) throws -> Double {
        let run = try Program.run(["score", "--jsonl", file, "--json", "--weights", precision])
        #expect(run.status == 0, "\(run.errors)")
        return try jsonLines(run).reduce(0) { $0 + $1["negative_log_likelihood"]!.double! }
      }
      let exact = try nats("auto")
      #expect(exact > 100)
      for (precision, limit) in [("f32", 1e-6), ("bf16", 0.001), ("q8", 0.002), ("q4", 0.03)] {
        let rounded = try nats(precision)
        #expect(abs(rounded / exact - 1) < limit, "\(precision): \(rounded) for \(exact) nats")
        // Stored as bf16, fp32 holds the same weights.
        #expect(precision == "f32" || rounded != exact, "\(precision)")
      }
    }
  }
}

extension DamagedCheckpoint {
  fileprivate func setQuantization(_ members: [String: JSONValue]) throws {
    var settings = try JSONValue(parsing: bytes("config.json"))["quantization_config"]!.object!
    for (key, value) in members { settings[key] = value }
    try set(["quantization_config": .object(settings)])
  }
}
