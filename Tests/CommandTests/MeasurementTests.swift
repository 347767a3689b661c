import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  struct MeasurementTests {
    private let folder = TemporaryFolder()

    private func json(_ arguments: [String], ranks: Int? = nil) throws -> JSONValue {
      let run = try Program.run(arguments + ["--json"], ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      return try JSONValue(parsing: run.output)
    }

    @Test(.timeLimit(.minutes(20))) func topologyTellsOfEveryRank() throws {
      let ranks = try #require(try json(["topology"], ranks: 3)["ranks"]?.array)
      #expect(ranks.map { $0["rank"]?.exactInt } == [0, 1, 2])
      for rank in ranks {
        #expect(rank["ranks_on_host"]?.exactInt == 3 && rank["host"]?.string == ranks[0]["host"]?.string)
        #expect(!ints(rank["cores"]).isEmpty && Set(ints(rank["cores"])).isSubset(of: ints(rank["allowed_cores"])))
        #expect(rank["available_bytes"]!.exactInt! <= rank["total_bytes"]!.exactInt!)
        let isShared = ints(rank["allowed_cores"]).count < 3
        if isShared { #expect(rank["pinned"]?.bool == false) }
        #expect(rank["placements"]?.array?.allSatisfy { $0["pages_elsewhere"]?.exactInt == 0 } == true)
      }
      let text = try Program.run(["topology"]).output
      #expect(text.contains("NUMA node") && text.contains("rank 0: "))
    }

    @Test(.timeLimit(.minutes(20))) func benchGenerateMeasuresWhatWasAskedFor() throws {
      let result = try json(
        [
          "bench", "generate", "--model", try Golden("mixtral").folder, "--prompt-length", "8", "--output-length", "5",
          "--batch",
          "2", "--repetitions", "1",
        ], ranks: 2)
      #expect(result["ranks"]?.exactInt == 2 && result["batch"]?.exactInt == 2)
      #expect(result["prefill"]?["tokens"]?.exactInt == 16 && result["decode"]?["tokens"]?.exactInt == 8)
      #expect(result["decode"]!["bytes_sent"]!.exactInt! > 0)
      for key in ["read_bytes_per_second_before", "decode_weight_bytes_per_second", "decode_share_of_read_bandwidth"] {
        #expect(result[key]!.double! > 0, "\(key)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func benchGenerateMeasuresSeveralCasesOfOneModel() throws {
      let result = try json(
        [
          "bench", "generate", "--model", try Golden("mixtral").folder, "--prompt-length", "8,3", "--output-length",
          "5",
          "--batch", "2,7", "--repetitions", "1", "--kv-cache-tokens", "512",
        ], ranks: 2)
      let cases = try #require(result["cases"]?.array)
      #expect(cases.map { $0["batch"]?.exactInt } == [2, 7])
      #expect(cases.map { $0["prefill"]?["tokens"]?.exactInt } == [16, 21])
      let uneven = try Program.run(["bench", "generate", "--batch", "1,2", "--prompt-length", "1,2,3"])
      #expect(uneven.status != 0 && uneven.errors.contains("lists"))
    }

    @Test(.timeLimit(.minutes(20))) func aSweepRunsOnceWhatItWasAskedForAndGoesOnFromThere() throws {
      let config = """
        {"model_type": "qwen3_moe", "hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 512, "num_attention_heads": 2,
         "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64, "num_experts": 4, "num_experts_per_tok": 2,
         "moe_intermediate_size": 16, "rms_norm_eps": 1e-6, "rope_theta": 10000}
        """
      let shape = folder.write(config, as: "shape.json")
      let out = folder.file("study")
      func sweep(_ ranks: String, output: String = "4") throws -> Program.Outcome {
        try Program.run([
          "bench", "sweep", "--shape", shape, "--experts-per-rank", "2", "--ranks", ranks, "--batch", "2",
          "--batch-per-rank",
          "1", "--prompt-length", "4", "--output-length", output, "--repetitions", "1", "--combine-format", "f32,bf16",
          "--mpirun-options", "--bind-to none --oversubscribe", "--out", out, "--json",
        ])
      }
      func reports() throws -> [String: Date] {
        let names = try FileManager.default.contentsOfDirectory(atPath: out + "/cells").filter { $0.hasSuffix(".json") }
        return Dictionary(
          uniqueKeysWithValues: try names.map {
            ($0, try FileManager.default.attributesOfItem(atPath: out + "/cells/" + $0)[.modificationDate] as! Date)
          })
      }
      let first = try sweep("1")
      #expect(first.status == 0, "\(first.errors)")
      #expect(try JSONValue(parsing: first.output)["runs"]?.array?.count == 8)
      // What was cut off in the middle is run again; what is there is not.
      for name in try reports().keys {
        // Clocks of file systems may tell seconds only.
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: out + "/cells/" + name)
      }
      let before = try reports()
      try FileManager.default.removeItem(atPath: out + "/cells/experts2-ranks1-batch2-prompt4.json")
      let second = try sweep("1,2")
      #expect(second.status == 0, "\(second.errors)")
      #expect(try JSONValue(parsing: second.output)["runs"]?.array?.count == 16)
      let after = try reports()
      #expect(after.count == 8)
      for (name, date) in before {
        #expect((after[name] == date) == (name != "experts2-ranks1-batch2-prompt4.json"), "\(name)")
      }
      for name in ["sweep.html", "sweep.csv", "sweep.json"] {
        #expect(FileManager.default.fileExists(atPath: out + "/" + name))
      }
      let other = try sweep("1", output: "5")
      #expect(other.status == 1 && other.errors.contains("other settings"))
    }

    @Test(.timeLimit(.minutes(20))) func aRunIsProjectedFromItsReportAndItsRouting() throws {
      func file(_ name: String) -> String { folder.file(name) }
      let bench = ["bench", "generate", "--prompt-length", "16", "--output-length", "9", "--repetitions", "1"]
      for (ranks, batch) in [(2, "2"), (2, "6"), (3, "4")] {
        _ = try json(
          bench + [
            "--batch", batch, "--report-json", file("\(batch).json"), "--record-routing", file("\(batch).safetensors"),
          ], ranks: ranks)
      }
      let result = try json([
        "project", "--report-json", file("2.json") + "," + file("6.json"), "--validate", file("4.json"), "--routing",
        file("4.safetensors"), "--ranks", "1,5,40", "--batch", "3", "--network", "10gbe",
      ])
      #expect(result["fitted"]?.array?.count == 4 && result["validated"]?.array?.count == 2)
      let projections = try #require(result["projections"]?.array)
      #expect(projections.map { $0["ranks"]?.exactInt } == [1, 1, 5, 5, 40, 40])
      #expect(projections.allSatisfy { $0["seconds"]!.double! > 0 && $0["relative_error"]!.double! >= 0 })
      #expect(projections[1]["bytes_between_hosts"]?.double == 0 && projections[3]["bytes_between_hosts"]!.double! > 0)
      let damaged = try Program.run([
        "project", "--report-json", file("4.safetensors"), "--routing", file("4.safetensors"),
      ])
      #expect(
        damaged.status == 1 && damaged.errors.contains("is no report") && damaged.errors.contains("--report-json"))
      let swapped = try Program.run(["project", "--report-json", file("2.json"), "--routing", file("2.json")])
      #expect(swapped.status == 1 && swapped.errors.contains("2.json"))
    }

    @Test(.timeLimit(.minutes(20))) func aPlanSaysWhatFitsAndHowToStartIt() throws {
      let plan = try json([
        "plan", "--model", try Golden("mixtral").folder, "--nodes", "3", "--memory", "1", "--cores", "4",
        "--numa-nodes", "2",
      ])
      #expect(plan["fits"]?.bool == true && plan["nodes_needed"]?.exactInt == 1)
      #expect(plan["layouts"]?.array?.map { $0["ranks"]?.exactInt } == [3, 6])
      #expect(plan["command"]?.string?.hasPrefix("mpirun ") == true)
      let alone = try #require(plan["layouts"]?.array?.first?["seconds_alone"]?.double)
      #expect(alone > 0 && alone < 1)
      // The plan's memory is what inspect says of the same rank.
      let inspected = try json(["inspect", try Golden("mixtral").folder, "--ranks", "3"])
      let most = try #require(inspected["ranks"]?.array?.compactMap { $0["memory_bytes"]?.exactInt }.max())
      #expect(plan["layouts"]?.array?.first?["weight_bytes"]?.exactInt == most)
      // A layer that drafts takes memory.
      let weights = try ["off", "mtp"].map { mode in
        try json([
          "plan", "--model", try Golden("deepseek_v3_fp8").folder, "--nodes", "2", "--memory", "1", "--cores", "4",
          "--speculate", mode,
        ])["layouts"]?.array?.first?["weight_bytes"]?.exactInt ?? 0
      }
      #expect(weights[0] > 0 && weights[1] > weights[0])

      let shape =
        Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent().path
        + "/benchmarks/shapes/deepseek-v3.json"
      let small = try Program.run([
        "plan", "--model", shape, "--weights", "q8", "--nodes", "2", "--memory", "256", "--cores", "64",
      ])
      #expect(
        small.status == 1 && small.output.contains("does not fit")
          && small.output.contains("3 nodes of this kind would do"))
      // What has no weights cannot be run: the line says what to put in its place.
      let fitting = try Program.run([
        "plan", "--model", shape, "--weights", "q8", "--nodes", "4", "--memory", "384", "--cores", "64",
      ])
      #expect(
        fitting.status == 0 && fitting.output.contains("--model DIR ") && fitting.output.contains("alone cannot run"),
        "\(fitting.output)")
      #expect(!fitting.output.contains("--model \(shape)"))
      let hopeless = try Program.run([
        "plan", "--model", shape, "--weights", "f32", "--nodes", "9", "--memory", "16", "--cores", "64",
      ])
      #expect(hopeless.status == 1 && hopeless.output.contains("on any number"))
      let unsaid = try Program.run(["plan", "--model", shape, "--nodes", "2", "--memory", "256", "--cores", "64"])
      #expect(unsaid.status != 0 && unsaid.errors.contains("--weights"))
      let unknown = try Program.run(
        [
          "plan", "--model", shape, "--weights", "q8", "--nodes", "2", "--memory", "256", "--cores", "64", "--network",
          "token-ring",
        ])
      #expect(unknown.status == 1 && unknown.errors.contains("token-ring") && unknown.errors.contains("10gbe"))
    }

    @Test(.timeLimit(.minutes(20)), arguments: [[], ["--through-mpi"]]) func benchDispatchTimesEveryCase(
      options: [String]
    ) throws {
      let result = try json(
        [
          "bench", "dispatch", "--tokens", "1,70", "--hidden", "96", "--experts", "10", "--top-k", "3", "--routing",
          "zipf,one-rank", "--threads", "1",
        ] + options, ranks: 3)
      let results = try #require(result["results"]?.array)
      #expect(results.count == 4 && result["ranks"]?.exactInt == 3)
      for one in results {
        #expect(one["seconds"]!.double! > 0 && one["alltoallv_seconds"]!.double! > 0)
        let row = one["hidden_size"]!.exactInt! * 4
        let bytes = one["payload_bytes"]!.exactInt!
        #expect(bytes > 0 && bytes % row == 0, "\(one)")
      }
      // With all tokens to rank 0, it returns one row for each of the others': nothing that they visit is elsewhere.
      let one = try #require(results.last { $0["routing"]?.string == "one-rank" })
      #expect(one["payload_bytes"]?.exactInt == 2 * 70 * 96 * 4)
      let bad = try Program.run(["bench", "dispatch", "--routing", "random"])
      #expect(bad.status != 0 && bad.errors.contains("uniform, zipf, one-rank"))
    }

    /// The report as its readers know it: whole, and true to itself.
    @Test(.timeLimit(.minutes(20)), arguments: [1, 3]) func reportsSayWhereTimeAndBytesWent(ranks: Int) throws {
      let golden = try Golden("deepseek_v3")
      let files = [
        "--report", folder.file("r.html"), "--report-json", folder.file("r.json"), "--trace", folder.file("t.json"),
      ]
      let run = try Program.run(
        [
          "generate", "--model", golden.folder, "--prompt-ids", list(golden.prompts[0].ids), "--max-new-tokens", "9",
          "--ignore-eos",
        ]
          + files, ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      #expect(run.errors.contains("computing") && run.errors.contains("imbalance") == (ranks > 1))
      let report = try JSONValue(parsing: try Data(contentsOf: URL(filePath: folder.file("r.json"))))
      #expect(report["schema"]?.string == "martinet-report" && report["version"]?.exactInt == 1)
      #expect(report["ranks"]?.array?.count == ranks)
      let decode = try #require(report["decode"])
      #expect(decode["steps"]?.exactInt == 8 && decode["tokens"]?.exactInt == 8)
      #expect(abs(decode["phase_coverage"]!.double! - 1) < 0.03)
      let phases = try #require(decode["phase_seconds"]?.object).values.compactMap(\.double)
      #expect(abs(phases.reduce(0, +) / decode["mean_wall_seconds"]!.double! - 1) < 0.03)
      #expect((decode["same_host"]!["messages"]!.exactInt! > 0) == (ranks > 1))
      let trace = try JSONValue(parsing: try Data(contentsOf: URL(filePath: folder.file("t.json"))))
      #expect(Set(trace["traceEvents"]!.array!.compactMap { $0["pid"]?.exactInt }) == Set(0..<ranks))
      let page = try String(contentsOfFile: folder.file("r.html"), encoding: .utf8)
      #expect(
        page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n") && page.contains("One step, rank by rank"))
    }

    @Test func aReportThatCannotBeWrittenIsRefusedBeforeTheWork() throws {
      for option in ["--report", "--report-json", "--trace"] {
        let run = try Program.run(["generate", "--prompt", "x", option, "/dev/null/r"])
        #expect(run.status == 1 && run.output.isEmpty && run.errors.contains("/dev/null/r"), "\(run.errors)")
      }
      let several = try Program.run(["bench", "generate", "--batch", "1,2", "--report", "r.html"])
      #expect(several.status != 0 && several.errors.contains("one case"))
    }

    #if !DEBUG
      // Takes half a minute with kernels that are not optimised.
      @Test(.timeLimit(.minutes(20))) func benchKernelsNamesEveryFormat() throws {
        let result = try json(["bench", "kernels", "--rows", "256", "--columns", "256", "--batch", "1,4"])
        let results = try #require(result["results"]?.array)
        #expect(Set(results.compactMap { $0["format"]?.string }).count >= 5 && results.count % 2 == 0)
        #expect(results.allSatisfy { $0["seconds"]!.double! > 0 && $0["ratio_to_limit"]!.double! > 0 })
      }
    #endif

    @Test func versionAndHelpAreForOutput() throws {
      for arguments in [["--version"], ["--help"], ["generate", "--help"]] {
        let run = try Program.run(arguments)
        #expect(run.status == 0 && !run.output.isEmpty && run.errors.isEmpty)
      }
      let nothing = try Program.run([])
      #expect(nothing.status == 0 && nothing.output.contains("generate"))
    }
  }
}
