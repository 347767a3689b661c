import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `project` and `plan` of both layouts, of drafts, and of uneven choices.
  struct ForecastTests {
    private let folder = TemporaryFolder()

    private func json(_ arguments: [String], ranks: Int? = nil) throws -> JSONValue {
      let run = try Program.run(arguments + ["--json"], ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      return try JSONValue(parsing: run.output)
    }

    private var shape: String {
      Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent().path
        + "/benchmarks/shapes/deepseek-v3.json"
    }

    @Test(.timeLimit(.minutes(20))) func slicedRunsAreProjectedAndValidateIt() throws {
      func file(_ name: String) -> String { folder.file(name) }
      let bench = ["bench", "generate", "--prompt-length", "16", "--output-length", "9", "--repetitions", "1"]
      for (name, batch, layout) in [
        ("a", "2", "spread"), ("b", "6", "spread"), ("c", "2", "sliced"), ("d", "5", "sliced"),
      ] {
        _ = try json(bench + ["--batch", batch, "--layout", layout, "--report-json", file(name + ".json")], ranks: 2)
      }
      let model = demoModel
      let reports = file("a.json") + "," + file("b.json") + "," + file("c.json")
      let result = try json([
        "project", "--report-json", reports, "--validate", file("d.json"), "--model", model, "--ranks", "1,2,4",
        "--batch", "1,8", "--network", "10gbe", "--layout", "auto", "--weights", "q8",
      ])
      // By report, and then by kind of step.
      let fitted = [String](repeating: "spread", count: 4) + [String](repeating: "sliced", count: 2)
      #expect(result["fitted"]?.array?.map { $0["layout"]?.string } == fitted)
      let checked = try #require(result["validated"]?.array)
      #expect(checked.count == 2 && checked.allSatisfy { $0["layout"]?.string == "sliced" })
      #expect(checked.allSatisfy { $0["projected_seconds"]!.double! > 0 })
      let projections = try #require(result["projections"]?.array)
      func one(_ ranks: Int, _ layout: String, _ tokens: Int) throws -> JSONValue {
        try #require(
          projections.first {
            $0["ranks"]?.exactInt == ranks && $0["layout"]?.string == layout && $0["kind"]?.string == "decode"
              && $0["tokens"]?.exactInt == tokens
          })
      }
      for ranks in [2, 4] {
        let (spread, sliced) = (try one(ranks, "spread", 1), try one(ranks, "sliced", 1))
        // The reports tell what slices exchange; in slices a rank holds less.
        #expect(sliced["rank_bytes"]!.exactInt! < spread["rank_bytes"]!.exactInt!)
        #expect(sliced["bytes_between_hosts_per_token"]!.double! > sliced["needed_bytes_per_token"]!.double! * 0.99)
        #expect(sliced["phase_seconds"]?["messages"]!.double! ?? 0 > 0)
        #expect(sliced["relative_error"]?.double != nil && spread["relative_error"]?.double != nil)
      }
      // The same count as inspect's.
      let inspected = try json(["inspect", model, "--ranks", "4", "--layout", "sliced"])
      let stored = try json([
        "project", "--report-json", reports, "--model", model, "--ranks", "4", "--batch", "1", "--network", "10gbe",
        "--layout", "sliced", "--kv-cache-tokens", "32",
      ])
      let held = try #require(stored["projections"]?.array?.last?["rank_bytes"]?.exactInt)
      let most = try #require(inspected["ranks"]?.array?.compactMap { $0["memory_bytes"]?.exactInt }.max())
      #expect(held >= most && held < most + (1 << 20))
      #expect(result["auto"]?.array?.map { $0["ranks"]?.exactInt } == [2, 4])
      let words = try Program.run([
        "project", "--report-json", reports, "--model", model, "--ranks", "2", "--network", "25gbe", "--layout", "auto",
        "--speculate", "lookup", "--acceptance", "0.7",
      ])
      #expect(words.status == 0 && words.output.contains("--layout auto would choose"), "\(words.errors)")
      #expect(words.output.contains("with drafts") && words.output.contains("needed"))
      let silent = try Program.run([
        "project", "--report-json", reports, "--model", model, "--ranks", "2", "--network", "25gbe", "--speculate",
        "mtp",
      ])
      #expect(silent.status == 1 && silent.errors.contains("--acceptance"))
      let uneven = try Program.run([
        "project", "--report-json", reports, "--model", model, "--ranks", "2", "--network", "25gbe", "--zipf", "1",
      ])
      #expect(
        uneven.status == 0 && uneven.output.contains("routing is made up, uneven (--zipf 1.0)"), "\(uneven.errors)")
    }

    private var demoModel: String {
      Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/Model/DemoModel/demo-model").path
    }

    @Test(.timeLimit(.minutes(20))) func draftsOfARunAreTakenFromItsReport() throws {
      let report = folder.file("drafts.json")
      let run = try Program.run(
        [
          "generate", "--prompt", "one two three one two three one two three one two", "--max-new-tokens", "48",
          "--speculate", "auto", "--report-json", report,
        ], ranks: 2)
      #expect(run.status == 0, "\(run.errors)")
      let told = try JSONValue(parsing: try String(contentsOfFile: report, encoding: .utf8))
      #expect((told["speculation"]?["drafted"]?.array?.first?.exactInt ?? 0) > 0)
      let result = try json([
        "project", "--report-json", report, "--model", demoModel, "--ranks", "2", "--batch",
        "1", "--network", "10gbe", "--speculate", "auto",
      ])
      let decode = try #require(result["projections"]?.array?.last)
      #expect(decode["tokens_per_second_with_drafts"]?.double ?? 0 > 0)
      /// A plan with the acceptance of that report, were its counts these.
      func plan(drafted: [Int], accepted: [Int]) throws -> Program.Outcome {
        guard case .object(var object) = told, case .object(var drafts)? = told["speculation"] else {
          throw CocoaError(.coderReadCorrupt)
        }
        drafts["drafted"] = .array(drafted.map { .int($0) })
        drafts["accepted"] = .array(accepted.map { .int($0) })
        object["speculation"] = .object(drafts)
        let file = folder.write(JSONValue.object(object).text(), as: "changed.json")
        return try Program.run([
          "plan", "--model", demoModel, "--nodes", "2", "--memory", "8", "--cores", "4", "--speculate", "lookup",
          "--draft-tokens", "2", "--acceptance", file, "--json",
        ])
      }
      // One draft more often than two: of ten steps five went on with the first, and two with the second.
      let taken = try plan(drafted: [10, 2], accepted: [5, 2])
      #expect(taken.status == 0, "\(taken.errors)")
      let tokens = try #require(try JSONValue(parsing: taken.output)["tokens_per_drafting_step"]?.double)
      #expect(abs(tokens - 1.7) < 1e-9)
      let impossible = try plan(drafted: [10, 9], accepted: [5, 6])
      #expect(impossible.status == 1 && impossible.errors.contains("changed.json is no report"), "\(impossible.errors)")
    }

    @Test(.timeLimit(.minutes(20))) func thePrintedCommandIsOfARunAsItWouldBe() throws {
      func plan(_ model: String, _ options: [String]) throws -> JSONValue {
        try json(["plan", "--model", model, "--nodes", "1", "--memory", "8", "--cores", "4"] + options)
      }
      // One rank has nothing to share out: both layouts are one.
      let alone = try plan(
        demoModel, ["--layout", "auto", "--speculate", "lookup", "--draft-tokens", "5", "--acceptance", "0.5"])
      #expect(alone["layouts"]?.array?.map { $0["layout"]?.string } == ["spread"])
      let command = try #require(alone["command"]?.string)
      #expect(command.contains(" --speculate lookup --draft-tokens 5 ") && !command.contains("--layout"), "\(command)")
      let sliced = try plan(demoModel, ["--layout", "sliced"])
      #expect(sliced["layouts"]?.array?.count == 1)
      // States are taken back: the run would draft.
      let recurrent = Golden.fixtures.appending(path: "delta/qwen3_next").path
      let options = ["--speculate", "lookup", "--acceptance", "0.5"]
      let told = try plan(recurrent, options)
      #expect(told["fits"]?.bool == true && told["tokens_per_drafting_step"]?.double != nil)
      let steps = try #require(told["layouts"]?.array?.first?["steps"]?.array)
      #expect(steps.contains { $0["tokens_per_second_with_drafts"]?.double != nil })
      let words = try Program.run(
        ["plan", "--model", recurrent, "--nodes", "1", "--memory", "8", "--cores", "4", "--speculate", "lookup"])
      #expect(words.status == 0 && words.output.contains("--acceptance"), "\(words.output)")
    }

    /// In `mixed` experts stay as their makers store them, which a configuration alone says.
    @Test(.timeLimit(.minutes(20))) func expertsOfABareConfigurationAreCountedAsPublished() throws {
      func bytes(_ fixture: String, _ change: (inout JSONObject) -> Void) throws -> Int {
        let data = try Data(contentsOf: Golden.fixtures.appending(path: "\(fixture)/config.json"))
        var config = try #require(try JSONValue(parsing: Array(data)).object)
        change(&config)
        folder.write(JSONValue.object(config).text(), as: "config.json")
        let plan = try json([
          "plan", "--model", folder.file("config.json"), "--weights", "mixed", "--nodes", "1", "--memory", "8",
          "--cores",
          "4",
        ])
        return try #require(plan["layouts"]?.array?.first?["weight_bytes"]?.exactInt)
      }
      let fp4 = try bytes("compressed/deepseek_v4") { _ in }
      let fp8 = try bytes("compressed/deepseek_v4") { $0["expert_dtype"] = "fp8" }
      // Of 4 layers of 5 experts, with three matrices of 64 by 32.
      let weights = 4 * 5 * 3 * 64 * 32
      // Half a byte less each, and of what rows are filled up with.
      #expect((weights / 3..<weights).contains(fp8 - fp4), "\(fp8 - fp4)")
      func packed(symmetric: JSONValue) -> JSONValue {
        let own: JSONValue = ["num_bits": .int(4), "type": "int", "group_size": .int(32), "symmetric": symmetric]
        return [
          "quant_method": "compressed-tensors", "format": "pack-quantized",
          "config_groups": ["group_0": ["weights": own, "targets": ["Linear"]]],
        ]
      }
      let int4 = try bytes("goldens/kimi_k2") { $0["quantization_config"] = packed(symmetric: .bool(true)) }
      let int8 = try bytes("goldens/kimi_k2") { $0["quantization_config"] = packed(symmetric: .bool(false)) }
      #expect(int4 < int8)
    }

    @Test(.timeLimit(.minutes(20))) func aPlanTellsOfBothLayouts() throws {
      func plan(_ options: [String]) throws -> JSONValue {
        try json(
          [
            "plan", "--model", shape, "--weights", "q8", "--nodes", "4", "--memory", "384", "--cores", "64",
            "--bandwidth",
            "290", "--efficiency", "1", "--network", "25gbe",
          ] + options)
      }
      let both = try plan(["--layout", "auto"])
      let layouts = try #require(both["layouts"]?.array)
      #expect(layouts.map { $0["layout"]?.string } == ["spread", "sliced"])
      func step(_ layout: JSONValue, _ sequences: Int) throws -> JSONValue {
        try #require(layout["steps"]?.array?.first { $0["sequences"]?.exactInt == sequences })
      }
      #expect(layouts[0]["steps"]?.array?.map { $0["sequences"]?.exactInt } == [1, 4, 16, 32, 256])
      let (spread, sliced) = (
        try #require(step(layouts[0], 1)["tokens_per_second"]?.double),
        try #require(step(layouts[1], 1)["tokens_per_second"]?.double)
      )
      #expect(sliced > 20 && sliced > 1.5 * spread, "\(sliced) \(spread)")
      #expect(layouts[0]["auto"]?["layout"]?.string == "sliced")
      #expect(layouts[1]["weight_bytes"]!.exactInt! < layouts[0]["weight_bytes"]!.exactInt!)
      // 61 layers of five exchanges, each row to three others.
      let (hidden, attention) = (4.0 * 7168, 16384 * 1.125 + 2112.0 * 4)
      let (dense, experts) = (18432 * 1.125 + hidden, 9 * 2048 * 1.125 + hidden)
      let layers = 61 * (attention + hidden) + 3 * dense + 58 * experts
      let bytes = hidden + layers + 4.0 * 129_280
      let needed = try #require(step(layouts[1], 1)["needed_bytes_per_token"]?.double)
      #expect(abs(needed / (3 * bytes) - 1) < 1e-6, "\(needed) \(3 * bytes)")
      // Ranks of a node share out messages, and weights are read while they travel.
      func tokens(_ nodes: Int, _ network: String, _ options: [String]) throws -> [Double] {
        let plan = try json(
          [
            "plan", "--model", shape, "--weights", "q8", "--nodes", "\(nodes)", "--memory", "384", "--cores", "64",
            "--bandwidth", "290", "--efficiency", "1", "--network", network, "--layout", "sliced",
          ] + options)
        return try #require(plan["layouts"]?.array).map { try #require(step($0, 1)["tokens_per_second"]?.double) }
      }
      let eight = try tokens(8, "25gbe", ["--ranks-per-node", "4"])
      #expect(eight.count == 2 && eight[0] > 35 && eight[1] > eight[0], "\(eight)")
      let bare = try tokens(8, "25gbe", ["--cache", "0"])
      #expect(bare.count == 1 && bare[0] > 28 && bare[0] < 29, "\(bare)")
      #expect(try tokens(16, "25gbe", ["--ranks-per-node", "8"]).max()! > 50)
      #expect(try tokens(16, "100g-rdma", []).max()! > 70)
      // Uneven choices give one rank of whole experts more than the others, and fewer experts are read.
      let uneven = try #require(plan(["--layout", "auto", "--zipf", "1"])["layouts"]?.array)
      let busiest = try [uneven[0], layouts[0]].map { try #require($0["busiest_rank_visits"]?.double) }
      #expect(busiest[0] > busiest[1] && busiest[1] > 1, "\(busiest)")
      #expect(try step(uneven[1], 32)["seconds"]!.double! < step(layouts[1], 32)["seconds"]!.double!)
      // Room for one expert more on each rank, 44 million parameters.
      let moving = try #require(plan(["--rebalance", "on"])["layouts"]?.array?.first)
      let more = moving["weight_bytes"]!.exactInt! - layouts[0]["weight_bytes"]!.exactInt!
      #expect((44_000_000..<46_000_000).contains(more), "\(more)")
      let words = try Program.run([
        "plan", "--model", shape, "--weights", "q8", "--nodes", "16", "--memory", "384", "--cores", "64", "--network",
        "100g-rdma", "--layout", "auto",
      ])
      #expect(words.status == 0 && words.output.contains("--layout auto would choose sliced"), "\(words.errors)")
      #expect(words.output.contains(" --layout auto ") && words.output.contains("16 sliced"))
      #expect(words.output.contains("on nodes with this host's processor "))
      for (options, word) in [
        (["--zipf", "-1"], "--zipf"), (["--acceptance", "0.5"], "--speculate"),
        (["--speculate", "lookup", "--acceptance", "0.5,0.6"], "--acceptance"),
        (["--zipf", "1", "--routing", "r.safetensors"], "--zipf"), (["--cache", "-1"], "--cache"),
        (["--ranks-per-node", "65"], "--ranks-per-node"),
      ] {
        let run = try Program.run(
          ["plan", "--model", shape, "--weights", "q8", "--nodes", "4", "--memory", "384", "--cores", "64"] + options)
        #expect(run.status != 0 && run.errors.contains(word), "\(options): \(run.errors)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func aCheckCountsDraftsAndRoomForMoves() throws {
      let model = try Golden("deepseek_v3_fp8").folder
      func bytes(_ options: [String]) throws -> Int {
        let told = try json(["check", "--model", model] + options, ranks: 2)
        return try #require(told["run"]?["ranks"]?.array?.first?["weight_bytes"]?.exactInt)
      }
      let (plain, drafting, moving) = (
        try bytes([]), try bytes(["--speculate", "mtp"]), try bytes(["--rebalance", "on"])
      )
      #expect(drafting > plain && moving > plain)
    }
  }
}
