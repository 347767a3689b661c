import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// What a training says of its cost, before and after.
  struct TrainCostTests {
    private let folder = TemporaryFolder()

    private func documents() throws -> String {
      let lines = (0..<400).map { number in
        "{\"token_ids\":[" + (0..<(9 + number % 23)).map { "\((number * 5 + $0 * 3) % 90)" }.joined(separator: ",")
          + "]}\n"
      }
      let path = folder.file("data.jsonl")
      try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    /// The settings of a golden with others in their place.
    private func shape(_ golden: String, _ sizes: [String: Int] = [:]) throws -> String {
      let config = try Data(contentsOf: URL(filePath: FamilyFixtures.folder(golden) + "/config.json"))
      var object = try #require(try JSONValue(parsing: Array(config)).object)
      for (key, value) in sizes { object[key] = .int(value) }
      let path = folder.file("\(golden).json")
      try JSONValue.object(object).text().write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    private func train(_ shape: String, _ options: [String], ranks: Int? = nil) throws -> Program.Outcome {
      try Program.run(
        [
          "train", "pretrain", "--shape", shape, "--data", try documents(), "--out", folder.file("out"), "--steps", "2",
          "--sequence-length", "128", "--threads", "1", "--json",
        ] + options, ranks: ranks)
    }

    private func object(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    private func numbers(_ value: JSONValue?) -> [Double] { value?.array?.compactMap(\.double) ?? [] }

    /// Sizes at which what a training holds is most of what the process grows by.
    static let shapes: [(golden: String, sizes: [String: Int], ranks: Int)] = [
      ("deepseek_v3", ["hidden_size": 256, "moe_intermediate_size": 128, "intermediate_size": 512], 1),
      ("deepseek_v3", ["hidden_size": 256, "moe_intermediate_size": 128, "intermediate_size": 512], 3),
      ("qwen3_moe", ["hidden_size": 256, "moe_intermediate_size": 192], 2),
      ("qwen3", ["hidden_size": 256, "intermediate_size": 1024], 2),
      (
        "qwen3_next",
        [
          "hidden_size": 256, "linear_key_head_dim": 32, "linear_value_head_dim": 32, "moe_intermediate_size": 128,
          "vocab_size": 512,
        ], 2
      ),
      (
        "deepseek_v4_saved",
        ["hidden_size": 256, "moe_intermediate_size": 128, "index_topk": 64, "vocab_size": 512], 2
      ),
    ]

    @Test(.timeLimit(.minutes(20)), arguments: shapes)
    func memoryIsWhatWasSaid(golden: String, sizes: [String: Int], ranks: Int) throws {
      let account = folder.file("account.json")
      let run = try train(
        try shape(golden, sizes),
        ["--batch-sequences", "24", "--account", account, "--node-price", "2", "--node-watts", "500"], ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      #expect(run.output.split(separator: "\n").count == 2 && run.errors.contains("account of 2 steps"))
      let told = try object(String(contentsOfFile: account, encoding: .utf8))
      let predicted = numbers(told["predicted"]?["memory_bytes"])
      let measured = numbers(told["measured"]?["memory_bytes"])
      #expect(predicted.count == ranks && measured.count == ranks)
      for (said, held) in zip(predicted, measured) {
        // Beside what is counted a process takes some MiB, which is little of a training but not of these small ones.
        // Of the 64 MiB that rank 0 may have on their way to the disk it has less where the disk is fast.
        #expect(
          held > 0.95 * said - Double(32 << 20) && held < 1.05 * said + Double(20 << 20),
          "\(golden) on \(ranks) ranks: \(said) said, \(held) held")
      }
      let (hours, dollars) = (
        told["measured"]?["cost"]?["node_hours"]?.double, told["measured"]?["cost"]?["dollars"]?.double
      )
      #expect(try #require(dollars) == 2 * (try #require(hours)) && dollars! > 0)
      #expect(told["cost"]?["DeepSeek-V3 (H800s)"]?["dollars"]?.double == 5_576_000)
    }

    @Test func aDryRunSaysWhatATrainingNeedsAndWritesNothing() throws {
      let model = try shape("deepseek_v3")
      let run = try train(
        model, ["--batch-sequences", "4", "--dry-run", "--node-price", "0.5", "--keep", "3"], ranks: 2)
      #expect(run.status == 0, "\(run.errors)")
      let told = try object(run.output)
      let memory = try #require(told["memory"])
      let parts = memory["parts"]?.object.map { object in object.keys.compactMap { object[$0]?.exactInt } } ?? []
      let total = try #require(memory["total_bytes"]?.exactInt)
      #expect(parts.count == 15 && abs(parts.reduce(0, +) - total) < 16)
      #expect(told["steps"]?.exactInt == 2 && told["tokens"]?.double == 2 * 4 * 128)
      let disk = try #require(told["disk"])
      #expect(disk["total_bytes"]?.exactInt == 4 * (try #require(disk["checkpoint_bytes"]?.exactInt)))
      // How much of it is a matter of the machine.
      #expect(try #require(told["mfu"]?.double) > 0 && told["mfu"]!.double! <= 1)
      #expect(try #require(told["seconds"]?.double) > 0 && told["tokens_per_second"]!.double! > 0)
      let cost = try #require(told["cost"]?["this training"])
      #expect(cost["dollars"]?.double == cost["node_hours"]!.double! / 2 && cost["kilowatt_hours"] == .null)
      #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
      // In words, too.
      let words = try Program.run([
        "train", "pretrain", "--shape", model, "--data", try documents(), "--out", folder.file("out"), "--steps", "2",
        "--dry-run", "--threads", "1",
      ])
      for word in ["masters", "experts' visits", "checkpoint", "MFU", "node-hours", "DeepSeek-V3"] {
        #expect(words.output.contains(word), "\(word): \(words.output) \(words.errors)")
      }
      let missing = try Program.run([
        "train", "pretrain", "--shape", model, "--data", folder.file("none.jsonl"), "--out", folder.file("out"),
        "--steps", "2", "--dry-run",
      ])
      #expect(missing.status == 1 && missing.errors.contains("none.jsonl"), "\(missing.errors)")
    }

    /// Before anything long, on all ranks together, with what to change.
    @Test func whatDoesNotFitIsRefused() throws {
      let model = try shape("qwen3_moe")
      for ranks in [1, 2] {
        let huge = try train(model, ["--batch-sequences", "4000000"], ranks: ranks)
        #expect(huge.status == 1, "\(huge.errors)")
        for word in ["a rank of this training needs", "activations", "--batch-sequences"] {
          #expect(huge.errors.contains(word), "\(word): \(huge.errors)")
        }
        #expect(huge.errors.split(separator: "\n").count { $0.contains("a rank of this training") } == 1)
      }
      let many = try train(model, ["--batch-sequences", "4", "--keep", "1000000000"], ranks: 2)
      #expect(many.status == 1 && many.errors.contains("--keep") && many.errors.contains("free"), "\(many.errors)")
      // A dry run tells all of it, and fails like the run.
      let dry = try train(model, ["--batch-sequences", "4000000", "--dry-run"])
      #expect(dry.status == 1 && dry.errors.contains("a rank of this training needs"), "\(dry.errors)")
      #expect(try object(dry.output)["memory"] != nil)
      #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
      for options in [["--node-price", "-1"], ["--node-watts", "nan"]] {
        let run = try train(model, ["--batch-sequences", "4"] + options)
        #expect(run.status != 0 && run.errors.contains("node"), "\(run.errors)")
      }
    }

    @Test func aTrainingIsPlannedForAClusterThatIsDescribed() throws {
      func plan(_ model: String, _ options: [String]) throws -> Program.Outcome {
        try Program.run(["plan", "--train", "--model", model, "--cores", "64", "--network", "25gbe"] + options)
      }
      let shape =
        Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent().path
        + "/benchmarks/shapes/deepseek-v3.json"
      let large = try plan(shape, ["--nodes", "8", "--memory", "64", "--tokens", "14.8e12", "--json"])
      #expect(large.status == 1, "\(large.errors)")
      let asked = try object(large.output)
      #expect(asked["fits"]?.bool == false && asked["cost"] == nil)
      #expect(abs(try #require(asked["parameters"]?.double) - 671e9) < 0.5e9)
      #expect(abs(try #require(asked["active_parameters"]?.double) - 36.6e9) < 0.1e9)
      // 8 bytes of optimiser and 4 of masters for each parameter, on 8 ranks: experts divide.
      let parts = try #require(asked["layouts"]?.array?.first?["memory"]?["parts"])
      let (masters, optimizer) = (try #require(parts["masters"]?.double), try #require(parts["optimizer"]?.double))
      let share = 4 * 671e9 / 8.0
      #expect(abs(masters - share) < share / 50)
      // But for selection biases.
      #expect(optimizer <= 2 * masters && optimizer > 1.999 * masters)

      let golden = try Golden("deepseek_v3").folder
      let terms = ["--tokens", "1e6", "--sequence-length", "128", "--batch-sequences", "32"]
      let roomy = try plan(
        golden, terms + ["--nodes", "2", "--memory", "8", "--node-price", "4", "--node-watts", "900", "--json"])
      #expect(roomy.status == 0, "\(roomy.errors)")
      let told = try object(roomy.output)
      #expect(told["fits"]?.bool == true && told["ranks"]?.exactInt == 2 && told["steps"]?.exactInt == 245)
      let cost = try #require(told["cost"]?["this training"])
      let hours = try #require(cost["node_hours"]?.double)
      #expect(abs(try #require(cost["dollars"]?.double) - 4 * hours) < 1e-9)
      #expect(abs(try #require(cost["kilowatt_hours"]?.double) - 0.9 * hours) < 1e-9)
      #expect(told["cost"]?["DeepSeek-V3 (H800s)"]?["node_hours"]?.double == 2_788_000)

      // Products in bf16 keep a copy of what enters them, and take less time.
      func estimate(_ options: [String]) throws -> JSONValue {
        try object(try plan(golden, terms + ["--nodes", "2", "--memory", "8", "--json"] + options).output)
      }
      func layout(_ plan: JSONValue) throws -> (bytes: Int, seconds: Double) {
        let layout = try #require(plan["layouts"]?.array?.first)
        return (
          try #require(layout["memory"]?["parts"]?["activations"]?.exactInt), try #require(layout["seconds"]?.double)
        )
      }
      let bfloat16 = try estimate(["--products", "bf16"])
      let (plain, rounded) = (try layout(told), try layout(bfloat16))
      #expect(rounded.bytes > plain.bytes && rounded.seconds < plain.seconds)
      // Twice the operations, of which so much is used that steps are 1.3 times as fast; where it is given, that.
      let (half, less) = (try #require(told["mfu"]?.double), try #require(bfloat16["mfu"]?.double))
      #expect(abs(2 * less / half - 1.3) < 1e-9)
      #expect(try estimate(["--products", "bf16", "--mfu", "0.4"])["mfu"]?.double == 0.4)
      // A module is a layer more, and meets the head again.
      let predicting = try estimate(["--prediction-loss", "0.3"])
      #expect(predicting["predicts"]?.bool == true && told["predicts"]?.bool == false)
      #expect(try layout(predicting).bytes > plain.bytes && layout(predicting).seconds > plain.seconds)
      #expect(try #require(predicting["parameters"]?.exactInt) > #require(told["parameters"]?.exactInt))
      let odd = try plan(golden, terms + ["--nodes", "2", "--memory", "8", "--prediction-loss", "-1"])
      #expect(odd.status != 0 && odd.errors.contains("--prediction-loss"))

      // As many nodes as it names do, and one fewer does not; recomputation needs fewer.
      let tight = try object(try plan(golden, terms + ["--nodes", "1", "--memory", "0.16", "--json"]).output)
      let needed = try #require(tight["nodes_needed"]?.exactInt)
      #expect((2...32).contains(needed))
      let enough = try plan(golden, terms + ["--nodes", "\(needed)", "--memory", "0.16"])
      #expect(enough.status == 0 && enough.output.contains("DeepSeek-V3 (H800s)"), "\(enough.output)")
      let small = try plan(golden, terms + ["--nodes", "\(needed - 1)", "--memory", "0.16"])
      #expect(small.status == 1 && small.output.contains("\(needed) nodes of this kind would do"), "\(small.output)")
      let lean = try object(
        try plan(golden, terms + ["--nodes", "1", "--memory", "0.16", "--recompute", "--json"]).output)
      #expect(try #require(lean["nodes_needed"]?.exactInt) < needed)

      // Models that sample, and others beside them, are counted.
      let policy = try object(
        try plan(
          golden, terms + ["--nodes", "2", "--memory", "8", "--rollouts", "--teacher", golden, "--json"]
        ).output)
      let kinds = try #require(policy["layouts"]?.array?.first?["memory"]?["parts"])
      #expect((kinds["rollouts"]?.exactInt ?? 0) > 100_000 && (kinds["teacher"]?.exactInt ?? 0) > 100_000)
      let first = try #require(told["layouts"]?.array?.first?["memory"])
      #expect(first["parts"]?["rollouts"]?.exactInt == 0 && first["parts"]?["teacher"]?.exactInt == 0)
      let lone = try Program.run([
        "plan", "--model", golden, "--nodes", "1", "--memory", "8", "--cores", "2", "--rollouts",
      ])
      #expect(lone.status != 0 && lone.errors.contains("--rollouts"), "\(lone.errors)")

      for (options, word) in [
        ([], "--tokens"), (["--tokens", "1e9", "--sequence-length", "1000000"], "positions"),
        (["--tokens", "nan"], "--tokens"), (["--tokens", "1e9", "--mfu", "2"], "--mfu"),
      ] {
        let refused = try plan(shape, ["--nodes", "2", "--memory", "64"] + options)
        #expect(refused.status != 0 && refused.errors.contains(word), "\(options): \(refused.errors)")
      }
    }
  }
}
