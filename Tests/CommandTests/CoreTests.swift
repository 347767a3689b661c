import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Which cores commands compute on. Other jobs of this machine may hold some meanwhile.
  struct CoreTests {
    private func ranks(_ options: [String], ranks: Int? = nil) throws -> [JSONValue] {
      let run = try Program.run(["topology", "--json"] + options, ranks: ranks)
      #expect(run.status == 0, "\(run.errors)")
      return try #require(try JSONValue(parsing: run.output)["ranks"]?.array)
    }

    private var firstCore: Int {
      get throws { try #require(try ranks([])[0]["allowed_cores"]?.array?.first?.exactInt) }
    }

    @Test(.timeLimit(.minutes(20))) func namedCoresAreUsedAndNoOthers() throws {
      let core = try firstCore
      let rank = try ranks(["--cores", "\(core)-\(core)"])[0]
      #expect(rank["cores"] == .array([.int(core)]) && rank["pinned"] == true, "\(rank)")
      #expect(try ranks(["--cores", "1"])[0]["cores"]?.array?.count == 1)
    }

    @Test(.timeLimit(.minutes(20))) func withoutPinningThreadsMayMove() throws {
      for rank in try ranks(["--no-pinning"], ranks: 2) { #expect(rank["pinned"] == false, "\(rank)") }
    }

    @Test(.timeLimit(.minutes(20)), arguments: ["99999-99999", "0", "x", "1-0"])
    func coresThatThereAreNotAreAnErrorThatTellsWhich(cores: String) throws {
      // One reader for all commands: of two kinds one each, and both once.
      let commands = [["topology"], ["generate", "--prompt", "In"]]
      for command in cores.utf8.count > 1 ? commands : [commands[cores == "0" ? 0 : 1]] {
        let run = try Program.run(command + ["--cores", cores], ranks: 2)
        #expect(run.status != 0 && !run.isCrash && run.errors.contains(cores.prefix { $0 != "-" }), "\(run.errors)")
      }
    }

    /// Without a launcher an error, also for parts of a list; where a launcher decides, a remark.
    @Test(.timeLimit(.minutes(20))) func moreCoresThanThereAreAreNotTakenSilently() throws {
      let core = try firstCore
      for asked in ["4096", "\(core),99999"] {
        let alone = try Program.run(["topology", "--cores", asked])
        #expect(alone.status != 0 && !alone.isCrash && alone.errors.contains("--cores"), "\(alone.errors)")
        #expect(alone.errors.contains(asked == "4096" ? "at most " : "cores 99999"), "\(alone.errors)")
        let launched = try Program.run(["topology", "--cores", asked], ranks: 1)
        let texts = launched.output + launched.errors
        #expect(launched.status == 0 && texts.contains("going on with cores"), "\(texts)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func resultsDoNotDependOnCores() throws {
      let core = try firstCore
      let texts = try [[], ["--no-pinning"], ["--cores", "\(core)-\(core)"], ["--cores", "1", "--threads", "2"]].map {
        options in
        let run = try Program.run(["generate", "--prompt", "In the beginning", "--max-new-tokens", "12"] + options)
        #expect(run.status == 0, "\(run.errors)")
        return run.output
      }
      #expect(Set(texts).count == 1, "\(texts)")
    }

    /// Where two jobs pin one thread each, they take different cores; one that finds none free does not pin.
    @Test(.timeLimit(.minutes(20))) func twoJobsDoNotPinToTheSameCore() throws {
      let command = [Program.path, "bench", "generate", "--threads", "1", "--repetitions", "1000", "--batch", "64"]
      let jobs = try (0..<2).map { _ in try RunningProgram(command) }
      defer { for job in jobs { kill(job.process.processIdentifier, SIGKILL) } }
      func cores(_ job: RunningProgram) -> String {
        let status =
          (try? String(contentsOfFile: "/proc/\(job.process.processIdentifier)/status", encoding: .utf8)) ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last
          .map(String.init) ?? ""
      }
      // Both have their threads, unless others have taken the cores.
      let began = ContinuousClock.now
      _ = eventually {
        jobs.map(cores).allSatisfy { !$0.contains { $0 == "-" || $0 == "," } }
          || ContinuousClock.now - began > .seconds(10)
      }
      let lists = jobs.map(cores)
      #expect(jobs.allSatisfy { $0.process.isRunning } && !lists.contains(""))
      #expect(
        lists[0] != lists[1] || lists[0].contains { $0 == "-" || $0 == "," }
          || ProcessInfo.processInfo.activeProcessorCount == 1, "\(lists)")
    }
  }
}
