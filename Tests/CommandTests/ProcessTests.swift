import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Ranks that die, users who lose patience, readers that go away.
  struct ProcessTests {
    private let folder = TemporaryFolder()

    private func endless() throws -> [String] {
      [
        Program.path, "generate", "--model", try Golden("deepseek_v3").folder, "--prompt-ids", "0,5,6",
        "--max-new-tokens",
        "100000", "--ignore-eos",
      ]
    }

    /// Whether none of the processes runs any more, or soon will; one that nobody has waited for yet counts as gone.
    private func areGone(_ ids: some Collection<pid_t>) -> Bool {
      func isGone(_ id: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return true }
        return stat.contains(") Z ")
      }
      // mpirun may leave a moment before the last of its ranks.
      return eventually { ids.allSatisfy(isGone) }
    }

    @Test(.timeLimit(.minutes(20))) func aRankThatIsKilledEndsTheJob() throws {
      let running = try RunningProgram(Program.mpirun(ranks: 3) + endless())
      #expect(running.waitForOutput(50))
      let ranks = running.ranks()
      #expect(ranks.count == 3)
      kill(try #require(ranks[1]), SIGKILL)
      #expect(running.ends())
      let outcome = try running.outcome()
      #expect(outcome.status != 0 && outcome.errors.contains("rank 1"), "\(outcome.errors)")
      #expect(areGone(ranks.values))
    }

    @Test(.timeLimit(.minutes(20))) func anInterruptionEndsAllRanksAndKeepsTheText() throws {
      // mpirun gives ranks so long before it kills them.
      let fault = faultWithPatience([1, 10, 40]) { seconds in
        let patience = ["--mca", "odls_base_sigkill_timeout", "\(Int(seconds))"]
        let running = try RunningProgram(Program.mpirun(ranks: 3) + patience + endless())
        #expect(running.waitForOutput(50))
        let ranks = running.ranks()
        kill(running.process.processIdentifier, SIGINT)
        #expect(running.ends())
        let outcome = try running.outcome()
        #expect(outcome.status != 0 && outcome.output.utf8.count >= 50)
        #expect(ranks.count == 3 && areGone(ranks.values))
        let isTold = outcome.errors.contains("prefill: ") && outcome.errors.contains("martinet: interrupted")
        return isTold && outcome.output.hasSuffix("\n") ? nil : outcome.errors
      }
      #expect(fault == nil)
    }

    @Test(arguments: [SIGINT, SIGTERM]) func oneRankEndsPolitely(signal: Int32) throws {
      let running = try RunningProgram(endless())
      #expect(running.waitForOutput(50))
      kill(running.process.processIdentifier, signal)
      #expect(running.ends())
      let outcome = try running.outcome()
      #expect(outcome.status == 130 && outcome.errors.contains("sent: "), "\(outcome.status) \(outcome.errors)")
    }

    /// As lines of JSON, a text cut short has no reason to finish, and those behind it are not lost.
    @Test func anInterruptedBatchIsWrittenAsFarAsItCame() throws {
      let file = folder.write("{\"prompt_ids\":[0,5,6]}\n{\"prompt_ids\":[7]}\n{\"prompt_ids\":[5]}\n", as: "prompts")
      let running = try RunningProgram([
        Program.path, "generate", "--model", try Golden("deepseek_v3").folder, "--prompt-file", file,
        "--max-new-tokens", "100000", "--ignore-eos", "--json", "--threads", "1",
      ])
      // Loaded, and some tokens of each further on: no thread but the one that computes takes time.
      #expect(running.waitForErrors("memory"))
      #expect(running.waitForWork(seconds: 2))
      kill(running.process.processIdentifier, SIGTERM)
      #expect(running.ends())
      let outcome = try running.outcome()
      let answers = try jsonLines(outcome)
      #expect(outcome.status == 130 && !answers.isEmpty, "\(outcome.errors)")
      #expect(answers.allSatisfy { $0["finish_reason"]?.isNull == true && ints($0["token_ids"]).count > 1 })
    }

    @Test func aReaderThatGoesAwayEndsTheRunWithoutNoise() throws {
      let command = try endless().map { "'\($0)'" }.joined(separator: " ")
      let run = try Program.execute(["timeout", "900", "bash", "-c", "\(command) | head -c 20; exit ${PIPESTATUS[0]}"])
      #expect(run.status == 128 + SIGPIPE && run.output.utf8.count == 20)
      // Nothing follows what is said before the first token.
      let last = try #require(run.errors.split(separator: "\n").last)
      #expect(last.hasPrefix("martinet: on this processor "), "\(run.errors)")
    }

    @Test func resultsThatCannotBeWrittenAreAFailure() throws {
      let run = try Program.execute(["bash", "-c", "'\(Program.path)' tokenize --text hello > /dev/full"])
      #expect(run.status == 1 && run.errors.contains("No space left"), "\(run.errors)")
    }
  }
}
