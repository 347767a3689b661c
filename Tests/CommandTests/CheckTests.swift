import Foundation
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// `martinet check`: alone, over ranks, and of hosts that a script in mpirun's place plays.
  struct CheckTests {
    private let folder = TemporaryFolder()

    private func findings(_ run: Program.Outcome) throws -> [String: String] {
      let json = try JSONValue(parsing: run.output)
      var found: [String: String] = [:]
      for finding in try #require(json["findings"]?.array) {
        let subject = try #require(finding["subject"]?.string)
        found[subject] =
          (found[subject].map { $0 + "; " } ?? "")
          + "\(finding["status"]?.string ?? ""): \(finding["words"]?.string ?? "")"
      }
      return found
    }

    @Test(.timeLimit(.minutes(20))) func aMachineAloneIsLookedAt() throws {
      let run = try Program.run(["check", "--json"])
      let found = try findings(run)
      #expect(run.status == 0, "\(run.output)")
      for subject in ["program", "model", "Open MPI", "memory", "cores", "open files"] {
        #expect(found[subject] != nil, "\(subject)")
      }
      #expect(found["model"]?.hasPrefix("ok: the demonstration model: deepseek_v3") == true)
      let text = try Program.run(["check"])
      #expect(text.lines.contains { $0.hasPrefix("ok       program") }, "\(text.output)")
    }

    @Test(.timeLimit(.minutes(20))) func ranksUnderALauncherAreComparedAndTheirMemoryIsAddedUp() throws {
      let run = try Program.run(["check", "--json", "--model", try Golden("deepseek_v3").folder], ranks: 2)
      #expect(run.status == 0, "\(run.errors)")
      #expect(try JSONValue(parsing: run.output)["run"]?["ranks"]?.array?.count == 2)
      #expect(try findings(run)["cores"]?.contains("2 ranks on 1 host") == true)
    }

    @Test(.timeLimit(.minutes(20))) func otherOptionsOrFilesOnARankAreAProblem() throws {
      let (here, there) = (try Golden("deepseek_v3").folder, try Golden("mixtral").folder)
      let head = Array(Program.mpirun(ranks: 1).dropLast(2))
      let run = try Program.execute(
        head + [
          "-n", "1", Program.path, "check", "--json", "--model", here, ":", "-n", "1", Program.path, "check", "--json",
          "--model", there, "--kv-cache", "bf16",
        ])
      #expect(run.status == 1)
      let found = try findings(run)
      #expect(
        found["model"]?.hasPrefix("problem") == true && found["options"]?.hasPrefix("problem") == true, "\(found)")
    }

    @Test(.timeLimit(.minutes(20))) func aModelThatIsNotThereIsAProblem() throws {
      let run = try Program.run(["check", "--json", "--model", folder.file("absent")])
      #expect(run.status == 1)
      #expect(try findings(run)["model"]?.hasPrefix("problem: ") == true)
    }

    /// A stand-in for mpirun: each host by its name, and for the ranks the real one on this machine.
    private func launcher() -> String {
      let path = folder.write(
        """
        #!/usr/bin/env bash
        args=("$@"); host=; command=()
        for ((i = 0; i < ${#args[@]}; i++)); do
          if [ "${args[i]}" = --host ]; then host=${args[i + 1]}; fi
          if [ "${args[i]##*/}" = martinet ]; then command=("${args[@]:i}"); break; fi
        done
        case $host in
          good*) exec "${command[@]}" ;;
          away) echo 'ssh: connect to host away port 22: No route to host' >&2; exit 1 ;;
          bare) printf 'it could not access\\nor execute an executable:\\n' >&2; exit 1 ;;
          other) "${command[@]}" | sed 's/"build":"[0-9a-f]*"/"build":"0123456789abcdef"/' ;;
          stale) "${command[@]}" | sed 's/"fingerprint":"[^"]*"/"fingerprint":"config.json=00"/' ;;
          dead) sleep 6000 ;;
          '') exec mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 "${command[@]}" ;;
        esac
        """, as: "mpirun")
      chmod(path, 0o755)
      return path
    }

    private func check(_ hosts: String, _ more: [String] = []) throws -> Program.Outcome {
      try Program.run(["check", "--json", "--hostfile", folder.write(hosts, as: "hosts")] + more + ["--", launcher()])
    }

    @Test(.timeLimit(.minutes(20))) func hostsThatAnswerAlikeGetRanks() throws {
      let run = try check("good1 slots=2\ngood2\n")
      #expect(run.status == 0, "\(run.output) \(run.errors)")
      #expect(try findings(run)["hosts"] == "ok: 2 hosts reached: good1, good2")
      #expect(try JSONValue(parsing: run.output)["run"]?["ranks"]?.array?.count == 2)
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        ("away", "hosts", "away cannot be reached: ssh: connect to host away port 22: No route to host"),
        ("bare", "program", "bare has no program"), ("other", "program", "0123456789abcdef"),
        ("stale", "model", "not the same everywhere"),
      ])
    func aHostThatIsNotReadyIsNamedWithTheReason(host: String, subject: String, words: String) throws {
      let run = try check("good1\n\(host)\n")
      #expect(run.status == 1)
      let found = try #require(try findings(run)[subject])
      #expect(found.contains("problem") && found.contains(words) && found.contains(host), "\(found)")
    }

    @Test(.timeLimit(.minutes(20))) func aHostThatSaysNothingIsNamedWithinItsTime() throws {
      // The other one has to answer within it.
      let fault = faultWithPatience([5, 30, 120]) { seconds in
        let run = try check("good1\ndead\n", ["--timeout", "\(Int(seconds))"])
        let words = "dead did not answer within \(Int(seconds)) s"
        return try run.status == 1 && findings(run)["hosts"]?.contains(words) == true ? nil : run.output
      }
      #expect(fault == nil)
    }

    @Test func hostFilesThatNameNobodyAreRefused() throws {
      for run in [try check("# none\n"), try Program.run(["check", "--hostfile", folder.file("absent")])] {
        #expect(run.status == 1 && run.errors.contains("the host file"), "\(run.errors)")
      }
      #expect(try Program.run(["check", "--timeout", "0"]).status == 1)
    }
  }
}
