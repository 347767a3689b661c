import Foundation
import HTTPConnection
import JSON
import Synchronization
import TestSupport
import Testing

extension CommandTests {
  /// Servers that are asked to end, and ranks that stand still, as a service manager and its clients see them.
  struct StoppingTests {
    private let folder = TemporaryFolder()

    private func body(_ count: Int) -> JSONValue {
      [
        "model": "demo-model", "prompt": "In the beginning", "max_tokens": .int(count), "ignore_eos": true,
        "temperature": 0,
        "stream": true,
      ]
    }

    /// A stream under way: its first token has come.
    private func begin(_ server: RunningServer, tokens: Int) throws -> Connection {
      let stream = try Connection(port: server.port, timeout: 120)
      try stream.sendRequest(
        "POST", "/v1/completions", headers: ["Connection: close"], body: Array(body(tokens).text().utf8))
      _ = try stream.read(until: "data: ")
      return stream
    }

    private func eventually(_ seconds: Double, _ isSo: () throws -> Bool) rethrows -> Bool {
      let end = Date(timeIntervalSinceNow: seconds)
      while try !isSo() {
        guard Date() < end else { return false }
        usleep(20_000)
      }
      return true
    }

    /// mpirun passes SIGUSR1 on at once and ends by nothing but the ranks' end.
    @Test(.timeLimit(.minutes(2))) func underMpirunAServerDrainsAndTheJobEndsWithStatusZero() throws {
      let server = try RunningServer([], ranks: 2)
      let stream = try begin(server, tokens: 480)
      kill(server.program.process.processIdentifier, SIGUSR1)
      #expect(try eventually(5) { try server.get("/ready").status == 503 })
      #expect(try server.post("/v1/completions", body(1)).status == 503)
      let rest = try stream.read(until: "data: [DONE]")
      #expect(!rest.contains("\"error\""))
      #expect(server.program.ends(within: 20))
      #expect(server.program.process.terminationStatus == 0, "\(server.program.errorsSoFar)")
    }

    @Test(.timeLimit(.minutes(2)), arguments: [nil, 2] as [Int?])
    func theStopCommandDrainsAndWaitsForTheEnd(ranks: Int?) throws {
      let file = folder.file("pid")
      let server = try RunningServer(["--pid-file", file], ranks: ranks)
      let stream = try begin(server, tokens: 480)
      let stop = try RunningProgram([Program.path, "stop", "--pid-file", file, "--limit", "60"])
      let rest = try stream.read(until: "data: [DONE]")
      #expect(!rest.contains("\"error\""))
      #expect(stop.ends(within: 30) && server.program.ends(within: 10))
      #expect(try stop.outcome().status == 0 && server.program.process.terminationStatus == 0)
      #expect(!FileManager.default.fileExists(atPath: file))
      let again = try Program.run(["stop", "--pid-file", file])
      #expect(again.status == 0 && again.errors.contains("has ended"), "\(again.errors)")
    }

    @Test(.timeLimit(.minutes(1))) func theStopCommandTouchesNoOtherProgram() throws {
      let other = try RunningProgram(["sleep", "60"])
      let file = folder.write("\(other.process.processIdentifier)\n", as: "stale")
      let run = try Program.run(["stop", "--pid-file", file])
      #expect(run.status == 0 && run.errors.contains("has ended") && other.process.isRunning, "\(run.errors)")
      for options in [
        [], ["--pid", "0"], ["--pid", "1", "--pid-file", file], ["--pid-file", folder.write("x", as: "nonsense")],
      ] {
        #expect(try Program.run(["stop"] + options).status != 0, "\(options)")
      }
    }

    @Test(.timeLimit(.minutes(3))) func aRankThatStandsStillShowsInReadinessUntilItGoesOn() throws {
      let server = try RunningServer(["--stall-limit", "2"], ranks: 2)
      let stream = try begin(server, tokens: 30)
      let rank = try #require(server.program.ranks()[1])
      kill(rank, SIGSTOP)
      defer { kill(rank, SIGCONT) }
      #expect(try eventually(20) { try server.get("/ready").status == 503 })
      let health = try server.get("/health")
      #expect(
        health.status == 200 && health.json["state"] == "stalled" && health.json["stall"]?["waiting_for"] == [1],
        "\(health.text)")
      #expect(try !server.get("/metrics").text.contains("martinet_stall_seconds 0"))
      kill(rank, SIGCONT)
      #expect(server.waitUntilReady(seconds: 20))
      #expect(try !stream.read(until: "data: [DONE]").contains("\"error\""))
      // The same where it has nothing to do.
      kill(rank, SIGSTOP)
      #expect(try eventually(30) { try server.get("/ready").status == 503 })
      kill(rank, SIGCONT)
      #expect(server.waitUntilReady(seconds: 20))
    }

    @Test(.timeLimit(.minutes(2))) func aJobThatDoesNotGoOnIsEndedAndItsClientsAreToldWhy() throws {
      let server = try RunningServer(["--stall-limit", "2", "--stall-abort", "5"], ranks: 2)
      let stream = try begin(server, tokens: 400)
      kill(try #require(server.program.ranks()[1]), SIGSTOP)
      let rest = try stream.read(until: "\"error\"") + stream.read(until: "}")
      #expect(rest.contains("waited for rank 1"), "\(rest)")
      #expect(server.program.ends(within: 20))
      #expect(try server.program.outcome().status != 0)
      #expect(server.program.errorsSoFar.contains("the job is ended, as it does not move: rank 0"))
    }

    @Test(.timeLimit(.minutes(2))) func aSupervisedStartThatGetsStuckNamesTheMissingRank() throws {
      let script = folder.write(
        "#!/bin/bash\n[ \"$OMPI_COMM_WORLD_RANK\" = 1 ] && exec sleep 3600\nexec \"$@\"\n", as: "hang.sh")
      chmod(script, 0o755)
      // After the port is announced the job never comes: the server has to be looked at without waiting for readiness.
      let program = try RunningProgram(
        [Program.path, "serve", "--port", "0", "--supervise", "--start-limit", "3", "--max-restarts", "1", "--"]
          + Program.mpirun(ranks: 2) + [script])
      #expect(eventually(40) { program.errorsSoFar.contains("giving up") }, "\(program.errorsSoFar)")
      #expect(
        program.errorsSoFar.contains("the job ended: the job did not start: rank 1 of 2 has not come up"),
        "\(program.errorsSoFar)")
      kill(program.process.processIdentifier, SIGTERM)
      #expect(program.ends(within: 20))
    }
  }
}
