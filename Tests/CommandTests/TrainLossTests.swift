import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// Trainings whose processes are killed, at any time, end with the bits of one that never stopped.
  struct TrainLossTests {
    private let steps = 120
    private let options = ["--steps", "120", "--save-every", "6", "--keep", "3"]

    /// Kills ranks after so many bytes of output, from the seed on; goes on each time on another number of ranks.
    @Test(.timeLimit(.minutes(20))) func aTrainingThatIsKilledAnywhereGoesOnWithTheSameBits() throws {
      let corpus = try TinyCorpus()
      let (whole, broken) = (corpus.folder.file("whole"), corpus.folder.file("broken"))
      #expect(try corpus.train(to: whole, options).status == 0)
      var random = SeededGenerator(5)
      var (killed, attempts) = (0, 0)
      while killed == 0, attempts < 5 {
        attempts += 1
        try? FileManager.default.removeItem(atPath: broken)
        for ranks in [2, 1, 3] {
          let command = ranks == 1 ? [Program.path] : Program.mpirun(ranks: ranks) + [Program.path]
          let running = try RunningProgram(command + corpus.arguments(to: broken, options + ["--resume"]))
          // It may end before, when the one before it had come far.
          _ = running.waitForOutput(Int.random(in: 200...4000, using: &random))
          let victims = ranks == 1 ? [0: running.process.processIdentifier] : running.ranks()
          if let victim = victims[Int.random(in: 0..<ranks, using: &random)] { kill(victim, SIGKILL) }
          #expect(running.ends())
          // It may have come to its end before, where the machine was slow to look.
          if try running.outcome().status != 0 { killed += 1 }
        }
      }
      #expect(killed > 0)
      let last = try corpus.train(to: broken, options + ["--resume"], ranks: 2)
      #expect(last.status == 0, "\(last.errors)")
      #expect(try TinyCorpus.digest(broken, step: steps) == TinyCorpus.digest(whole, step: steps))
    }

    /// What came of a program that `disturb` was done to while it ran, and what that gave. One that does not say
    /// `words` had come to its end before, where the machine was slow to look: another is started, some times.
    private func meeting<Result>(
      _ words: String, _ start: () throws -> RunningProgram, with disturb: (RunningProgram) throws -> Result
    ) throws -> (Program.Outcome, Result) {
      var attempts = 0
      while true {
        let running = try start()
        let result = try disturb(running)
        #expect(running.ends())
        let outcome = try running.outcome()
        attempts += 1
        if attempts == 5 || outcome.errors.contains(words) { return (outcome, result) }
      }
    }

    /// The same without anybody who starts it again, and each step is told once.
    @Test(.timeLimit(.minutes(20))) func underSupervisionAKilledRankCostsNothing() throws {
      let corpus = try TinyCorpus()
      let (whole, watched) = (corpus.folder.file("whole"), corpus.folder.file("watched"))
      let expected = try corpus.train(to: whole, options)
      #expect(expected.status == 0)
      let launcher = Array(Program.mpirun(ranks: 2).dropFirst())
      let (outcome, killed) = try meeting("starting it again from its last checkpoint") { () -> RunningProgram in
        try? FileManager.default.removeItem(atPath: watched)
        return try RunningProgram(
          [Program.path] + corpus.arguments(to: watched, options + ["--supervise"]) + ["--"] + launcher)
      } with: { running in
        var killed = 0
        for (bytes, rank) in [(1000, 1), (3500, 0)] {
          #expect(running.waitForOutput(bytes))
          if let victim = running.ranks()[rank], kill(victim, SIGKILL) == 0 { killed += 1 }
        }
        return killed
      }
      #expect(outcome.status == 0, "\(outcome.errors)")
      // The last may have come too late.
      let restarts = outcome.errors.components(separatedBy: "starting it again from its last checkpoint").count - 1
      #expect(restarts > 0 && restarts <= killed, "\(restarts) of \(killed)")
      #expect(outcome.errors.contains("ended by signal 9"), "\(outcome.errors)")
      #expect(!outcome.errors.contains("martinet: progress"))
      #expect(try TinyCorpus.lines(outcome.output) == TinyCorpus.lines(expected.output))
      #expect(try TinyCorpus.digest(watched, step: steps) == TinyCorpus.digest(whole, step: steps))
    }

    /// A rank that stands still, as on a host that froze, is noticed by the silence.
    @Test(.timeLimit(.minutes(20))) func underSupervisionAStoppedRankIsLeftBehind() throws {
      let corpus = try TinyCorpus()
      let (whole, watched) = (corpus.folder.file("whole"), corpus.folder.file("watched"))
      #expect(try corpus.train(to: whole, options).status == 0)
      let launcher = Array(Program.mpirun(ranks: 2).dropFirst())
      let (outcome, _) = try meeting("nothing has been heard of it for") { () -> RunningProgram in
        try? FileManager.default.removeItem(atPath: watched)
        return try RunningProgram(
          [Program.path] + corpus.arguments(to: watched, options + ["--supervise", "--stall-limit", "5"]) + ["--"]
            + launcher)
      } with: { running in
        #expect(running.waitForOutput(1000))
        if let victim = running.ranks()[1] { kill(victim, SIGSTOP) }
      }
      #expect(outcome.status == 0 && outcome.errors.contains("nothing has been heard of it for"), "\(outcome.errors)")
      #expect(try TinyCorpus.digest(watched, step: steps) == TinyCorpus.digest(whole, step: steps))
    }

    /// A signal to the supervisor has the ranks save and end; the next start goes on.
    @Test(.timeLimit(.minutes(20)), arguments: [SIGINT, SIGTERM, SIGUSR1])
    func aSignalToTheSupervisorEndsWithACheckpoint(number: Int32) throws {
      let corpus = try TinyCorpus()
      let out = corpus.folder.file("out")
      let endless = ["--steps", "100000", "--save-every", "50000", "--warmup-steps", "0", "--supervise"]
      let launcher = number == SIGTERM ? [] : ["--"] + Array(Program.mpirun(ranks: 2).dropFirst())
      let running = try RunningProgram([Program.path] + corpus.arguments(to: out, endless) + launcher)
      #expect(running.waitForOutput(2000))
      kill(running.process.processIdentifier, number)
      #expect(running.ends())
      let outcome = try running.outcome()
      #expect(outcome.status == 0 && outcome.errors.contains("with a checkpoint"), "\(outcome.errors)")
      let steps = outcome.output.split(separator: "\n").count
      #expect(TinyCorpus.latest(out).hasSuffix("\(steps)\n"), "\(steps) steps, \(TinyCorpus.latest(out))")
    }

    /// Ranks whose supervisor is gone end, so that its next start finds nobody in the folder.
    @Test(.timeLimit(.minutes(20))) func withoutTheirSupervisorRanksEnd() throws {
      let corpus = try TinyCorpus()
      let out = corpus.folder.file("out")
      let options = ["--steps", "100000", "--save-every", "3", "--warmup-steps", "0"]
      let launcher = ["--"] + Array(Program.mpirun(ranks: 2).dropFirst())
      let running = try RunningProgram(
        [Program.path] + corpus.arguments(to: out, options + ["--supervise"]) + launcher)
      #expect(running.waitForOutput(3000))
      let ranks = running.ranks()
      #expect(ranks.count == 2)
      kill(running.process.processIdentifier, SIGKILL)
      func isGone(_ id: pid_t) -> Bool {
        ((try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8))?.contains(") Z ") ?? true)
      }
      #expect(eventually { ranks.values.allSatisfy(isGone) })
      #expect(TinyCorpus.latest(out).hasPrefix("step-"))
    }

    /// What the next start would meet again is not tried again.
    @Test(.timeLimit(.minutes(20))) func underSupervisionMistakesAreToldOnce() throws {
      let corpus = try TinyCorpus()
      let launcher = ["--"] + Array(Program.mpirun(ranks: 2).dropFirst())
      for (options, words) in [
        (["--data", corpus.folder.file("none.jsonl")], "none.jsonl"),
        (["--learning-rate", "1e15", "--steps", "9"], "is no finite number"),
        (["--learning-rate", "0"], "learning rate"),
      ] {
        let run = try Program.run(
          corpus.arguments(to: corpus.folder.file("out"), options + ["--supervise", "--resume"]) + launcher)
        #expect(run.status == 1 && run.errors.contains(words), "\(options): \(run.errors)")
        #expect(!run.errors.contains("starting it again"), "\(options): \(run.errors)")
      }
    }
  }
}
