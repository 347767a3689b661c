import Checkpoints
import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  struct InspectTests {
    private let folder = TemporaryFolder()

    private func inspect(_ arguments: [String]) throws -> JSONValue {
      let run = try Program.run(["inspect", "--json"] + arguments)
      #expect(run.status == 0, "\(run.errors)")
      return try JSONValue(parsing: run.output)
    }

    /// Parameters by the shapes of the tensors, without any notion of a model's parts but their names.
    private func parameters(of path: String) throws -> (total: Int, active: Int) {
      let checkpoint = try HuggingFaceFolder(path: path)
      let layers = checkpoint.config["num_hidden_layers"]!.exactInt!
      let isTied = checkpoint.config["tie_word_embeddings"]?.bool ?? false
      func config(_ names: String...) -> Int? { names.lazy.compactMap { checkpoint.config[$0]?.exactInt }.first }
      let experts = config("n_routed_experts", "num_experts", "num_local_experts") ?? 1
      let topK = config("num_experts_per_tok", "experts_per_token") ?? 1
      var (total, embedding, routed) = (0, 0, 0)
      for entry in checkpoint.entries {
        let parts = entry.name.split(separator: ".")
        if parts.count > 2, parts[1] == "layers", Int(parts[2])! >= layers { continue }
        if entry.name.hasSuffix("_scale_inv") || entry.name.hasSuffix("_scales") { continue }
        if isTied, entry.name == "lm_head.weight" { continue }
        // Two 4-bit values lie in a byte of an MXFP4 tensor.
        let count = entry.shape.reduce(1, *) * (entry.name.hasSuffix("_blocks") ? 2 : 1)
        total += count
        if entry.name == "model.embed_tokens.weight" { embedding = isTied ? 0 : count }
        if parts.contains("experts") { routed += count }
      }
      return (total, total - embedding - routed / experts * (experts - topK))
    }

    @Test func parametersAreWhatTheShapesAddUpTo() throws {
      for name in Golden.names {
        let golden = try Golden(name)
        let answer = try inspect([golden.folder])
        let (total, active) = try parameters(of: golden.folder)
        #expect(answer["total_parameters"]?.exactInt == total, "\(name)")
        #expect(answer["active_parameters"]?.exactInt == active, "\(name)")
        #expect(answer["architecture"]?.string == golden.document["model_type"]?.string)
        let parts = answer["parts"]!.object!.values
        #expect(parts.reduce(0) { $0 + $1["parameters"]!.exactInt! } == total, "\(name)")
        let types = answer["bytes_by_type"]!.object!.values
        #expect(types.reduce(0) { $0 + $1.exactInt! } == answer["total_bytes"]?.exactInt, "\(name)")
      }
    }

    @Test func theDemonstrationModelIsAsItsCardSays() throws {
      let run = try Program.run(["inspect", "--ranks", "3"])
      #expect(
        run.status == 0 && run.output.contains("3.04 M in all, 841.1 k active per token (27.7 %)"), "\(run.output)")
      let ranks = try inspect(["--ranks", "3"])["ranks"]!.array!
      #expect(ranks.map { $0["experts_per_layer"]!.exactInt! }.sorted() == [10, 11, 11])
      // What all hold is held three times, experts once.
      #expect(ranks.allSatisfy { $0["memory_bytes"]!.exactInt! > 0 })
    }

    @Test func anIndexerAndItsCacheAreSaid() throws {
      let model = try Golden("glm_moe_dsa").folder
      let run = try Program.run(["inspect", model])
      #expect(
        run.output.contains(
          """
          latent of 16 + 8 rotary, over 8 positions chosen by an indexer of 6 heads of 16; multi-head latent, 4 \
          heads, latent of 16 + 8 rotary, over the positions chosen in a layer before
          """), "\(run.output)")
      // Five latents and rotary keys of 24, two index keys of 16.
      #expect(try inspect([model])["cache_bytes_per_token"]?.exactInt == 4 * (5 * 24 + 2 * 16))
      #expect(try inspect([model])["cache_bytes_per_token_bf16"]?.exactInt == 2 * (5 * 24 + 2 * 16))
      // A group of 32 levels and its scale for each latent; index keys are bf16.
      #expect(try inspect([model])["cache_bytes_per_token_q8"]?.exactInt == 5 * 34 + 2 * (2 * 16))
    }

    @Test func theLayersLeftOutAreSaid() throws {
      let run = try Program.run(["inspect", try Golden("deepseek_v3_fp8").folder])
      #expect(run.output.contains("left out") && run.output.contains("1 multi-token prediction"), "\(run.output)")
      // Those beside the model's layers, too, that do not draft.
      let beside = try inspect([Golden.fixtures.appending(path: "delta/qwen3_next").path])
      #expect(beside["prediction_layers_left_out"]?.exactInt == 1)
    }

    @Test func aLayerThatDraftsIsCounted() throws {
      let folder = try Golden("deepseek_v3_fp8").folder
      let (plain, drafting) = (
        try inspect([folder, "--ranks", "2"]), try inspect([folder, "--ranks", "2", "--speculate", "mtp"])
      )
      func number(_ value: JSONValue, _ key: String) -> Int { value[key]?.exactInt ?? 0 }
      #expect(number(plain, "prediction_layers_left_out") == 1 && number(drafting, "prediction_layers_left_out") == 0)
      #expect(number(drafting, "total_bytes") > number(plain, "total_bytes"))
      // Of three layers each as wide comes a fourth.
      #expect(number(drafting, "cache_bytes_per_token") * 3 == number(plain, "cache_bytes_per_token") * 4)
      for (with, without) in zip(drafting["ranks"]!.array!, plain["ranks"]!.array!) {
        #expect(number(with, "memory_bytes") > number(without, "memory_bytes"))
      }
      let none = try Program.run(["inspect", try Golden("deepseek_v3").folder, "--speculate", "mtp"])
      #expect(none.status == 1 && none.errors.contains("no multi-token prediction layer"), "\(none.errors)")
    }

    @Test func aGGUFFileIsInspectedAndRunAsAFolderIs() throws {
      let path = Page.root.appending(path: "Tests/Fixtures/gguf/deepseek_v3.gguf").path
      let run = try Program.run(["inspect", path])
      #expect(run.status == 0 && run.output.contains("in 1 file, GGUF: "), "\(run.output)\(run.errors)")
      #expect(run.output.contains(/Q4_0 [0-9.]+ KiB \([0-9.]+ %\)/), "\(run.output)")
      let answer = try inspect([path])
      #expect(answer["format"]?.string == "GGUF" && answer["layers"]?.exactInt == 1)
      let text = try Program.run([
        "generate", "--model", path, "--prompt-ids", "1,2,3", "--max-new-tokens", "4", "--ignore-eos",
      ])
      #expect(text.status == 0, "\(text.errors)")
      let ids = try Program.run(["tokenize", "--model", path, "--text", "Hello"])
      let folder = try Program.run(["tokenize", "--model", try Golden("deepseek_v3").folder, "--text", "Hello"])
      #expect(ids.status == 0 && ids.output == folder.output, "\(ids.errors)")
      let missing = try Program.run(["inspect", self.folder.file("none.gguf")])
      #expect(missing.status == 1 && missing.errors.contains("none.gguf"), "\(missing.errors)")
    }

    /// The published shape: 671 B parameters, 37 B active. Debug builds take too long over 92,000 tensors and get its
    /// first layers.
    private static var deepSeekLayers: Int {
      #if DEBUG
        6
      #else
        61
      #endif
    }

    @Test(.timeLimit(.minutes(20))) func deepSeekV3IsCountedFromHeaders() throws {
      let layers = Self.deepSeekLayers
      try SparseDeepSeekV3(layerCount: layers).write(to: folder)
      let began = Date()
      let answer = try inspect([folder.path])
      #expect(Date().timeIntervalSince(began) < 300)
      let (total, active) = try parameters(of: folder.path)
      #expect(answer["total_parameters"]?.exactInt == total && answer["active_parameters"]?.exactInt == active)
      #expect(answer["prediction_layers_left_out"]?.exactInt == 1)
      // The latent of 512 and 64 rotary dimensions, fp32.
      #expect(answer["cache_bytes_per_token"]?.exactInt == layers * 576 * 4)
      if layers == 61 {
        #expect(total == 671_026_419_200)
        let text = try Program.run(["inspect", folder.path]).output
        #expect(text.contains("671 B in all, 37 B active per token (5.5 %)"), "\(text)")
      }
      // Nothing of it is ever read: a load is refused before, with what it needs and what there is.
      let load = try Program.run([
        "generate", "--model", folder.path, "--prompt-ids", "1,2", "--kv-cache-tokens", "1000000000",
      ])
      #expect(load.status == 1, "\(load.errors)")
      #expect(load.errors.contains(/needs [0-9.]+ GiB and [0-9.]+ GiB are available/), "\(load.errors)")
    }
  }
}
