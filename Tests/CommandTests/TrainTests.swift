import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet train pretrain`.
  struct TrainTests {
    private let folder = TemporaryFolder()

    /// Documents that count upwards, so that there is something to learn.
    private func documents(_ name: String, count: Int) throws -> String {
      let lines = (0..<count).map { number in
        "{\"token_ids\":[" + (0..<(9 + number % 23)).map { "\((number * 5 + $0 * 3) % 90)" }.joined(separator: ",")
          + "]}\n"
      }
      let path = folder.file(name)
      try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    private func train(
      _ model: String, to out: String, _ options: [String] = [], ranks: Int? = nil, asTable: Bool = false
    ) throws -> Program.Outcome {
      let data = try documents("data.jsonl", count: 40)
      let heldOut = try documents("held-out.jsonl", count: 5)
      return try Program.run(
        [
          "train", "pretrain", "--model", model, "--data", data, "--held-out", heldOut, "--out", out, "--steps", "4",
          "--save-every", "2", "--sequence-length", "16", "--batch-sequences", "5", "--learning-rate", "1e-2",
          "--threads", "1",
        ] + options + (asTable ? [] : ["--json"]), ranks: ranks)
    }

    /// The lines of a run without what the clock says.
    private func lines(_ run: Program.Outcome) throws -> [[String: String]] {
      try run.output.split(separator: "\n").map { line in
        let object = try #require(try JSONValue(parsing: Array(line.utf8)).object)
        var told: [String: String] = [:]
        for key in object.keys where !["seconds", "tokens_per_second", "mfu"].contains(key) {
          told[key] = object[key]?.text()
        }
        return told
      }
    }

    private func checkpoint(_ out: String) throws -> [Data] {
      try ["step-000004/model.safetensors", "step-000004/config.json", "state-000004/state.safetensors"].map {
        try Data(contentsOf: URL(filePath: "\(out)/\($0)"))
      }
    }

    @Test(.timeLimit(.minutes(20)), arguments: ["deepseek_v3_bf16", "gpt_oss_mxfp4"])
    func weightsAreTheSameOnAnyRanksAndAfterAStop(name: String) throws {
      let model = try Golden(name).folder
      let (alone, spread) = (folder.file("alone"), folder.file("spread"))
      let first = try train(model, to: alone)
      #expect(first.status == 0, "\(first.errors)")
      let told = try lines(first)
      #expect(told.map { $0["step"] } == ["1", "2", "3", "4"])
      #expect(told.map { $0["held_out_loss"] != nil } == [false, true, false, true])
      let losses = told.compactMap { $0["loss"].flatMap { Double($0) } }
      #expect(losses.count == 4 && losses[3] < losses[0], "\(losses)")
      let other = try train(model, to: spread, ["--optimizer", "adamw"], ranks: 3)
      #expect(other.status == 0, "\(other.errors)")
      #expect(try lines(other) == told)
      let whole = try checkpoint(alone)
      #expect(try checkpoint(spread) == whole)

      // As it was after the second step.
      for part in ["step", "state"] { try FileManager.default.removeItem(atPath: "\(spread)/\(part)-000004") }
      try "step-000002\n".write(toFile: spread + "/latest", atomically: true, encoding: .utf8)
      let resumed = try train(model, to: spread, ["--resume"], ranks: 2)
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(try checkpoint(spread) == whole)
      #expect(try lines(resumed) == Array(told.dropFirst(2)))
      let score = try Program.run(["score", "--model", "\(alone)/step-000004", "--token-ids", "0,3,6,9,12"])
      #expect(score.status == 0, "\(score.errors)")
    }

    /// With `--save-initial` the first weights are a checkpoint like others, from which a training goes on to the same
    /// end.
    @Test func whatATrainingBeginsWithIsSavedWhereThatIsAsked() throws {
      let (model, out) = (try Golden("deepseek_v3_bf16").folder, folder.file("initial"))
      let first = try train(model, to: out, ["--save-initial", "--keep", "9"])
      #expect(first.status == 0, "\(first.errors)")
      let scores = try [model, out + "/step-000000"].map {
        try Program.run(["score", "--model", $0, "--token-ids", "0,3,6,9,12"])
      }
      #expect(scores[0].status == 0 && scores[0].output == scores[1].output, "\(scores[1].errors)")
      let whole = try checkpoint(out)
      for step in ["000002", "000004"] {
        for part in ["step", "state"] { try FileManager.default.removeItem(atPath: "\(out)/\(part)-\(step)") }
      }
      try "step-000000\n".write(toFile: out + "/latest", atomically: true, encoding: .utf8)
      let again = try train(model, to: out, ["--resume"])
      #expect(again.status == 0, "\(again.errors)")
      #expect(try checkpoint(out) == whole)
      #expect(try lines(again) == lines(first))
    }

    /// The keys that others read, in their order, and times apart from them.
    @Test func aStepIsOneLineOfJSON() throws {
      let run = try train(try Golden("deepseek_v3_bf16").folder, to: folder.file("lines"))
      let lines = try run.output.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8)) }
      let keys = [
        "step", "loss", "tokens", "tokens_per_second", "gradient_norm", "learning_rate", "mfu", "load_max_over_mean",
        "seconds",
      ]
      #expect(lines.count == 4 && lines.allSatisfy { Array($0.object?.keys.prefix(9) ?? []) == keys })
      #expect(lines[1].object?.keys.dropFirst(9) == ["held_out_loss", "balance_loss", "dead_experts"])
      #expect(lines[2].object?.keys.dropFirst(9) == ["balance_loss", "dead_experts"])
      #expect(lines[3]["tokens"]?.exactInt == 320)
    }

    /// Not a terminal: a line for every so many steps, and nothing that is written over.
    @Test func aTableHasALineForSoManySteps() throws {
      let model = try Golden("deepseek_v3_bf16").folder
      let run = try train(model, to: folder.file("table"), ["--log-every", "3", "--score-every", "9"], asTable: true)
      #expect(run.status == 0, "\(run.errors)")
      #expect(!run.output.contains("\r") && !run.output.contains("\u{1B}"))
      let lines = run.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
      let header = try #require(lines.firstIndex { $0.first == "step" })
      let columns = ["step", "loss", "held-out", "gradient", "rate", "tokens/s", "MFU", "load", "dead"]
      #expect(Array(lines[header].prefix(columns.count)) == columns)
      #expect(lines[header...].dropFirst().prefix(3).map { $0[0] } == ["3", "4", "saved"])
    }

    /// The page, its JSON and a trace, of both ranks; and gone on with, from the first step on.
    @Test(.timeLimit(.minutes(20))) func aReportTellsOfAllRanksAndAllSteps() throws {
      let model = try Golden("deepseek_v3_bf16").folder
      let (out, page, file) = (folder.file("reported"), folder.file("page.html"), folder.file("report.json"))
      let trace = folder.file("trace.json")
      let options = ["--report", page, "--report-json", file, "--trace", trace]
      func read(_ path: String) throws -> JSONValue {
        try JSONValue(parsing: Array(try Data(contentsOf: URL(filePath: path))))
      }
      let run = try train(model, to: out, options, ranks: 2, asTable: true)
      #expect(run.status == 0, "\(run.errors)")
      #expect(run.output.contains(" comm") && run.output.contains("communication: "), "\(run.output)")
      let report = try read(file)
      #expect(report["schema"]?.string == "martinet-training-report" && report["step"]?.exactInt == 4)
      #expect(report["history"]?["last_step"]?.array?.map(\.exactInt) == [1, 2, 3, 4])
      #expect(report["history"]?["held_out"]?.array?.map { $0["step"]?.exactInt } == [2, 4])
      #expect(report["history"]?["checkpoints"]?.array?.count == 2)
      let ranks = try #require(report["ranks"]?.array)
      #expect(ranks.count == 2)
      for rank in ranks {
        let times = try #require(rank["phase_seconds"])
        let names = report["phases_of_a_step"]?.array?.compactMap(\.string) ?? []
        let sum = names.reduce(0) { $0 + (times[$1]?.double ?? .nan) }
        #expect(abs(sum - (rank["wall_seconds"]?.double ?? 0)) < 1e-6)
        #expect((times["score"]?.double ?? 0) > 0 && (times["checkpoint"]?.double ?? 0) > 0)
      }
      let sent = try #require(report["sent"]?.array)
      #expect(sent.count == 4 && sent.allSatisfy { ($0["bytes"]?.exactInt ?? 0) >= ($0["least_bytes"]?.exactInt ?? 1) })
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("martinet-training-report"))
      let events = try #require(try read(trace)["traceEvents"]?.array)
      let names = Set(events.compactMap { $0["name"]?.string })
      #expect(names.isSuperset(of: ["update", "forward attention", "backward experts", "backward combine"]))

      let resumed = try train(model, to: out, ["--resume", "--report-json", file])
      #expect(resumed.status == 0, "\(resumed.errors)")
      #expect(try read(file)["history"]?["last_step"]?.array?.count == 4)
      let unwritable = try train(model, to: folder.file("none"), ["--report", folder.file("no/page.html")])
      #expect(unwritable.status == 1 && unwritable.errors.contains("no/page.html"), "\(unwritable.errors)")
    }

    @Test func whatCannotBeTrainedIsSaidBeforehand() throws {
      let model = try Golden("deepseek_v3_bf16").folder
      let foreign = folder.file("foreign.jsonl")
      try "{\"token_ids\":[1,2,3]}\n{\"token_ids\":[4,700,5]}\n".write(
        toFile: foreign, atomically: true, encoding: .utf8)
      let out = folder.file("none")
      func refused(_ options: [String], _ words: [String]) throws {
        let run = try train(model, to: out, options)
        #expect(run.status != 0)
        for word in words { #expect(run.errors.contains(word), "\(options): \(run.errors)") }
        #expect(!FileManager.default.fileExists(atPath: out + "/latest"))
      }
      let quantized = folder.file("q8")
      #expect(try Program.run(["quantize", model, quantized, "--weights", "q8"]).status == 0)
      let levels = try train(quantized, to: out)
      #expect(levels.status == 1 && levels.errors.contains("quantised from"), "\(levels.errors)")
      try refused(["--data", foreign], ["foreign.jsonl", "700"])
      try refused(["--data", folder.file("nothing.jsonl")], ["nothing.jsonl"])
      try refused(["--learning-rate", "0"], ["learning rate"])
      try refused(["--learning-rate", "inf"], ["learning rate"])
      try refused(["--steps", "0"], ["steps"])
      try refused(["--balance-loss", "nan"], ["balance"])
      try refused(["--log-every", "0"], ["--log-every"])
      try refused(["--shape", model + "/config.json"], ["--shape and --model"])
    }

    /// A folder with a training in it is neither overwritten nor gone on with under other settings.
    @Test func aTrainingIsNotMixedWithAnother() throws {
      let model = try Golden("qwen3").folder
      let out = folder.file("out")
      #expect(try train(model, to: out).status == 0)
      let before = try checkpoint(out)
      let again = try train(model, to: out)
      #expect(again.status != 0 && again.errors.contains("--resume"), "\(again.errors)")
      for options in [
        ["--seed", "7"], ["--learning-rate", "2e-2"], ["--optimizer", "muon"], ["--sequence-length", "8"],
      ] {
        let run = try train(model, to: out, ["--resume"] + options)
        #expect(run.status != 0 && run.errors.contains("out"), "\(options): \(run.errors)")
      }
      #expect(try checkpoint(out) == before)
    }
  }
}
