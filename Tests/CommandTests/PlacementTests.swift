import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Placements from one command to the next.
  struct PlacementTests {
    private let folder = TemporaryFolder()

    private func generate(_ options: [String], ranks: Int) throws -> Program.Outcome {
      try Program.run(
        ["generate", "--prompt", "And the king said,", "--max-new-tokens", "24", "--ignore-eos", "--threads", "1"]
          + options, ranks: ranks)
    }

    @Test(.timeLimit(.minutes(20))) func aRunsLoadBecomesAPlacementThatChangesNoText() throws {
      let (report, routing, recorded) = (folder.file("r.json"), folder.file("r.safetensors"), folder.file("p.json"))
      let plain = try generate(
        [
          "--report-json", report, "--record-routing", routing, "--record-placement", recorded, "--replica-memory",
          "20",
        ], ranks: 2)
      #expect(plain.status == 0 && plain.errors.contains("busiest rank: "), "\(plain.errors)")
      let json = try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: report))))
      let factor = try #require(json["decode"]?["busiest_rank_visits"]?.double)
      #expect(factor >= 1 && json["decode"]?["busiest_rank_experts"]?.double ?? 0 >= 1)
      #expect(json["placement"]?["ranks"]?.exactInt == 2 && json["placement"]?["layers"]?.array?.count == 3)
      for file in [recorded, report] {
        let placed = try generate(["--placement", file, "--replica-memory", "20"], ranks: 2)
        #expect(placed.status == 0 && placed.output == plain.output, "\(file): \(placed.errors)")
      }
      // For other ranks it is planned anew.
      let planned = folder.file("planned.json")
      let plan = try Program.run([
        "placement", "--report-json", report, "--routing", routing, "--ranks", "3", "--replica-memory", "25",
        "--tokens", "8", "--output", planned, "--json",
      ])
      #expect(plan.status == 0, "\(plan.errors)")
      let cases = try #require(try JSONValue(parsing: plan.output)["placements"]?.array)
      #expect(cases.map { $0["name"]?.string } == ["plain", "planned"])
      let expected = cases.compactMap { one in
        [one["expected_visits"]?.double, one["expected_experts"]?.double].compactMap(\.self).max()
      }
      #expect(expected.count == 2 && expected[1] <= expected[0])
      #expect(cases.allSatisfy { $0["replayed_visits"]?.double ?? 0 >= 1 && $0["rows_back"]?.double ?? 0 > 0 })
      let three = try generate(["--placement", planned, "--replica-memory", "25"], ranks: 3)
      #expect(three.status == 0 && three.output == plain.output, "\(three.errors)")
      let refused = try generate(["--placement", planned, "--replica-memory", "25"], ranks: 2)
      #expect(refused.status != 0 && refused.errors.contains("for 3 ranks, this run has 2"), "\(refused.errors)")
      let inspected = try Program.run(["inspect", "--placement", planned])
      #expect(inspected.status == 0 && inspected.output.contains("experts over all layers"), "\(inspected.output)")
      let words = try Program.run(["placement", "--routing", routing, "--from", planned, "--replica-memory", "25"])
      #expect(
        words.status == 0 && words.output.contains("plain") && words.output.contains("given")
          && words.output.contains("planned"), "\(words.output)\(words.errors)")
    }

    /// The layer of a prediction module is counted, its choices are not recorded, and not all runs have it.
    @Test(.timeLimit(.minutes(20))) func aRunWithDraftsIsPlannedFromToo() throws {
      let (report, routing, planned) = (folder.file("d.json"), folder.file("d.safetensors"), folder.file("dp.json"))
      let arguments = [
        "generate", "--model", try Golden("deepseek_v3_fp8").folder, "--prompt-ids", "1,2,3", "--max-new-tokens", "30",
        "--ignore-eos", "--threads", "1",
      ]
      let drafting = arguments + ["--speculate", "mtp"]
      let run = try Program.run(drafting + ["--report-json", report, "--record-routing", routing], ranks: 2)
      #expect(run.status == 0, "\(run.errors)")
      let plan = try Program.run([
        "placement", "--report-json", report, "--routing", routing, "--output", planned,
      ])
      #expect(plan.status == 0, "\(plan.errors)")
      for arguments in [arguments, drafting] {
        let placed = try Program.run(arguments + ["--placement", planned], ranks: 2)
        #expect(placed.status == 0 && placed.output == run.output, "\(placed.errors)")
      }
    }

    /// Planned from one half of made-up routing, replayed with the other.
    @Test(.timeLimit(.minutes(20))) func aPlacementIsPlannedWithoutARun() throws {
      let planned = folder.file("zipf.json")
      let arguments = ["placement", "--zipf", "1.1", "--experts", "64", "--experts-per-token", "6", "--ranks", "8"]
      let run = try Program.run(
        arguments + ["--tokens", "256", "--replica-memory", "10", "--json", "--output", planned])
      #expect(run.status == 0, "\(run.errors)")
      let cases = try #require(try JSONValue(parsing: run.output)["placements"]?.array)
      let visits = cases.compactMap { $0["replayed_visits"]?.double }
      #expect(visits.count == 2 && visits[0] > 1.4 && visits[1] < 1.15, "\(visits)")
      let file = try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: planned))))
      #expect(file["experts"]?.exactInt == 64 && file["ranks"]?.exactInt == 8)
      for (more, words) in [
        (["--routing", "r.safetensors"], "--zipf makes up routing"), (["--zipf", "5"], "is not between 0 and 4"),
        (["--experts", "1"], "--experts 1"), (["--experts-per-token", "65"], "--experts-per-token 65"),
        (["--tokens", "20000"], "up to 16384"),
      ] {
        let refused = try Program.run(arguments + more)
        #expect(refused.status != 0 && refused.errors.contains(words), "\(more): \(refused.errors)")
      }
      let without = try Program.run(["placement", "--zipf", "1"])
      #expect(without.status != 0 && without.errors.contains("--ranks"), "\(without.errors)")
    }

    @Test(.timeLimit(.minutes(20))) func whatIsNoPlacementIsRefused() throws {
      let damaged = folder.write(#"{"schema": "martinet-placement", "version": 1, "experts": 32}"#, as: "d.json")
      for arguments in [
        ["generate", "--prompt", "a", "--placement", damaged], ["inspect", "--placement", damaged],
        ["placement", "--routing", "nothing.safetensors", "--from", damaged],
        ["placement", "--report-json", damaged],
      ] {
        let run = try Program.run(arguments)
        #expect(run.status != 0 && !run.errors.isEmpty, "\(arguments)")
        #expect(!run.errors.contains("Fatal"), "\(run.errors)")
      }
      for (arguments, words) in [
        (["placement"], "give --report-json, --routing or --zipf"), (["placement", "--routing", "r"], "--ranks"),
        (["generate", "--prompt", "a", "--replica-memory", "-1"], "between 0 and 10000"),
        (["serve", "--rebalance", "sometimes"], "--rebalance"),
        (["serve", "--rebalance-threshold", "0.5"], "between 1 and 1000"),
        (
          ["train", "pretrain", "--shape", "x", "--data", "x", "--out", "y", "--steps", "1", "--placement", damaged],
          "--placement"
        ),
      ] {
        let run = try Program.run(arguments)
        #expect(run.status != 0 && run.errors.contains(words), "\(arguments): \(run.errors)")
      }
    }
  }
}
