import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Ways in which `martinet train pretrain` computes: with a prediction module, recomputation, products in bf16.
  struct TrainModesTests {
    private let folder = TemporaryFolder()

    private func train(
      _ model: String, to name: String, _ options: [String] = [], ranks: Int? = nil
    ) throws -> (run: Program.Outcome, out: String) {
      let data = folder.file("data.jsonl")
      let lines = (0..<30).map { number in
        "{\"token_ids\":[" + (0..<20).map { "\((number * 5 + $0 * 3) % 90)" }.joined(separator: ",") + "]}\n"
      }
      try lines.joined().write(toFile: data, atomically: true, encoding: .utf8)
      let out = folder.file(name)
      let run = try Program.run(
        [
          "train", "pretrain", "--model", model, "--data", data, "--out", out, "--steps", "3", "--sequence-length",
          "16",
          "--batch-sequences", "4", "--learning-rate", "1e-2", "--threads", "1", "--json",
        ] + options, ranks: ranks)
      #expect(run.status == 0, "\(options): \(run.errors)")
      return (run, out)
    }

    private func files(_ out: String) throws -> [Data] {
      try ["step-000003/model.safetensors", "step-000003/config.json", "state-000003/state.safetensors"].map {
        try Data(contentsOf: URL(filePath: "\(out)/\($0)"))
      }
    }

    @Test(.timeLimit(.minutes(20)), arguments: ["f32", "bf16"])
    func recomputationGivesTheSameFiles(products: String) throws {
      let model = try Golden("deepseek_v3_bf16").folder
      let kept = try train(model, to: "kept", ["--products", products])
      let again = try train(model, to: "again", ["--products", products, "--recompute"], ranks: 2)
      #expect(try files(kept.out) == files(again.out))
    }

    /// The module is trained, saved in DeepSeek's layout, left out by who does not need it, and gone on with.
    @Test(.timeLimit(.minutes(20)))
    func aPredictionModuleIsTrainedAlong() throws {
      let model = try Golden("deepseek_v3_bf16").folder
      let alone = try train(model, to: "alone", ["--prediction-loss", "0.3"])
      #expect(alone.run.output.contains("\"prediction_loss\":"))
      let spread = try train(model, to: "spread", ["--prediction-loss", "0.3", "--recompute"], ranks: 3)
      #expect(try files(alone.out) == files(spread.out))

      let trained = alone.out + "/step-000003"
      let tensors = try Data(contentsOf: URL(filePath: trained + "/model.safetensors"))
      for name in [
        "enorm", "hnorm", "eh_proj", "embed_tokens", "shared_head.norm", "shared_head.head", "self_attn.o_proj",
      ] {
        #expect(tensors.range(of: Data(".\(name).weight\"".utf8)) != nil, "\(name)")
      }
      let score = try Program.run(["score", "--model", trained, "--token-ids", "0,3,6,9,12"])
      #expect(score.status == 0, "\(score.errors)")
      _ = try train(trained, to: "further", ["--prediction-loss", "0.1"], ranks: 2)
      let without = try train(trained, to: "without")
      let config = try String(contentsOfFile: without.out + "/step-000003/config.json", encoding: .utf8)
      #expect(config.contains("\"num_nextn_predict_layers\": 0"), "\(config)")
    }
  }
}
