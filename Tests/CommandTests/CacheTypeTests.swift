import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// What a rounded attention cache costs, on text the demonstration model has not seen and problems it has.
  struct CacheTypeTests {
    private let folder = TemporaryFolder()

    @Test(.timeLimit(.minutes(20))) func heldOutTextIsHardlyLessProbable() throws {
      #if DEBUG
        // Of a few tokens the noise does not average out.
        let (longest, limits) = (60, [("bf16", 0.001), ("q8", 0.004)])
      #else
        let (longest, limits) = (512, [("bf16", 0.0002), ("q8", 0.001)])
      #endif
      let file = try Golden.heldOut(longest: longest, in: folder)
      func nats(_ type: String) throws -> Double {
        let run = try Program.run(["score", "--jsonl", file, "--json", "--kv-cache", type])
        #expect(run.status == 0, "\(run.errors)")
        return try jsonLines(run).reduce(0) { $0 + $1["negative_log_likelihood"]!.double! }
      }
      let exact = try nats("f32")
      #expect(exact > 100)
      for (type, limit) in limits {
        let rounded = try nats(type)
        #expect(abs(rounded / exact - 1) < limit && rounded != exact, "\(type): \(rounded) for \(exact) nats")
      }
    }

    @Test func itStillAdds() throws {
      let answers = try ["f32", "bf16", "q8"].map { type in
        let run = try Program.run(
          ["generate", "--chat", "--prompt", "What is 58+27+36+9?", "--max-new-tokens", "60", "--kv-cache", type])
        #expect(run.status == 0, "\(run.errors)")
        return run.output
      }
      #expect(answers[0].contains("130") && Set(answers).count == 1, "\(answers)")
    }

    /// By several ranks and in small chunks of the prompt, the same numbers to the last digit.
    @Test(.timeLimit(.minutes(20))) func ranksAndChunksChangeNothing() throws {
      let model = try Golden("qwen3_moe")
      let ids = list(model.prompts[2].ids + model.prompts[2].greedy)
      let arguments = ["score", "--model", model.folder, "--token-ids", ids, "--kv-cache", "q8", "--json"]
      let one = try Program.run(arguments)
      let several = try Program.run(arguments + ["--max-batch-tokens", "5"], ranks: 3)
      #expect(one.status == 0 && several.status == 0, "\(one.errors) \(several.errors)")
      let key = "negative_log_likelihood"
      let (first, second) = (try JSONValue(parsing: one.output)[key], try JSONValue(parsing: several.output)[key])
      #expect(first?.double != nil && first?.double == second?.double)
    }

    @Test func itIsPlannedWithItsOwnSize() throws {
      let model = try Golden("qwen3_moe").folder
      func bytes(_ key: String) throws -> Int {
        let run = try Program.run(["inspect", model, "--json"])
        return try JSONValue(parsing: run.output)[key]?.exactInt ?? 0
      }
      let (exact, half, levels) = (
        try bytes("cache_bytes_per_token"), try bytes("cache_bytes_per_token_bf16"),
        try bytes("cache_bytes_per_token_q8")
      )
      #expect(levels > 0 && half * 2 == exact && levels % 34 == 0)
      for (type, bytes) in [("f32", exact), ("bf16", half), ("q8", levels)] {
        let plan = try Program.run([
          "plan", "--model", model, "--nodes", "2", "--memory", "1", "--cores", "4", "--kv-cache", type,
          "--kv-cache-tokens", "4096", "--json",
        ])
        #expect(plan.status == 0, "\(plan.errors)")
        let layout = try JSONValue(parsing: plan.output)["layouts"]?.array?.first
        #expect(layout?["cache_bytes"]?.exactInt == 4096 * bytes, "\(type)")
      }
      let refused = try Program.run(["plan", "--model", model, "--nodes", "2", "--kv-cache", "q9"])
      #expect(refused.status != 0 && refused.errors.contains("--kv-cache"), "\(refused.errors)")
    }
  }
}
