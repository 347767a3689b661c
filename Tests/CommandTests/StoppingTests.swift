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
      let stream = try Connection(port: server.port)
      try stream.sendRequest(
        "POST", "/v1/completions", headers: ["Connection: close"], body: Array(body(tokens).text().utf8))
      _ = try stream.read(until: "data: ")
      return stream
    }

    /// Whether a server takes no more, or has ended already where the machine was slow to ask.
    private func isDraining(_ server: RunningServer, _ ask: () throws -> Connection.Reply) throws -> Bool {
      do { return try ask().status == 503 } catch {
        guard server.program.ends() else { throw error }
        return true
      }
    }

    /// mpirun passes SIGUSR1 on at once and ends by nothing but the ranks' end.
    @Test(.timeLimit(.minutes(20))) func underMpirunAServerDrainsAndTheJobEndsWithStatusZero() throws {
      let server = try RunningServer(["--drain-seconds", "600"], ranks: 2)
      let stream = try begin(server, tokens: 480)
      kill(server.program.process.processIdentifier, SIGUSR1)
      #expect(try eventually { try isDraining(server) { try server.get("/ready") } })
      #expect(try isDraining(server) { try server.post("/v1/completions", body(1)) })
      let rest = try stream.read(until: "data: [DONE]")
      #expect(!rest.contains("\"error\""))
      #expect(server.program.ends())
      #expect(server.program.process.terminationStatus == 0, "\(server.program.errorsSoFar)")
    }

    @Test(.timeLimit(.minutes(20)), arguments: [nil, 2] as [Int?])
    func theStopCommandDrainsAndWaitsForTheEnd(ranks: Int?) throws {
      let file = folder.file("pid")
      let server = try RunningServer(["--pid-file", file, "--drain-seconds", "600"], ranks: ranks)
      let stream = try begin(server, tokens: 480)
      let stop = try RunningProgram([Program.path, "stop", "--pid-file", file, "--limit", "600"])
      let rest = try stream.read(until: "data: [DONE]")
      #expect(!rest.contains("\"error\""))
      #expect(stop.ends() && server.program.ends())
      #expect(try stop.outcome().status == 0 && server.program.process.terminationStatus == 0)
      #expect(!FileManager.default.fileExists(atPath: file))
      let again = try Program.run(["stop", "--pid-file", file])
      #expect(again.status == 0 && again.errors.contains("has ended"), "\(again.errors)")
    }

    @Test(.timeLimit(.minutes(20))) func theStopCommandTouchesNoOtherProgram() throws {
      let other = try RunningProgram(["sleep", "6000"])
      let file = folder.write("\(other.process.processIdentifier)\n", as: "stale")
      let run = try Program.run(["stop", "--pid-file", file])
      #expect(run.status == 0 && run.errors.contains("has ended") && other.process.isRunning, "\(run.errors)")
      for options in [
        [], ["--pid", "0"], ["--pid", "1", "--pid-file", file], ["--pid-file", folder.write("x", as: "nonsense")],
      ] {
        #expect(try Program.run(["stop"] + options).status != 0, "\(options)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func aRankThatStandsStillShowsInReadinessUntilItGoesOn() throws {
      let server = try RunningServer(["--stall-limit", "2"], ranks: 2)
      let stream = try begin(server, tokens: 30)
      let rank = try #require(server.program.ranks()[1])
      kill(rank, SIGSTOP)
      defer { kill(rank, SIGCONT) }
      #expect(
        try eventually {
          let health = try server.get("/health")
          return health.status == 200 && health.json["state"] == "stalled"
            && health.json["stall"]?["waiting_for"] == [1]
        })
      #expect(try server.get("/ready").status == 503)
      #expect(try !server.get("/metrics").text.contains("martinet_stall_seconds 0"))
      kill(rank, SIGCONT)
      #expect(server.waitUntilReady())
      #expect(try !stream.read(until: "data: [DONE]").contains("\"error\""))
      // The same where it has nothing to do.
      kill(rank, SIGSTOP)
      #expect(try eventually { try server.get("/ready").status == 503 })
      kill(rank, SIGCONT)
      #expect(server.waitUntilReady())
    }

    @Test(.timeLimit(.minutes(20))) func aJobThatDoesNotGoOnIsEndedAndItsClientsAreToldWhy() throws {
      let server = try RunningServer(["--stall-limit", "2", "--stall-abort", "5"], ranks: 2)
      var rest = ""
      // A stream may end before the rank is stopped.
      for _ in 0..<5 where !rest.contains("error") {
        let stream = try begin(server, tokens: 480)
        let rank = try #require(server.program.ranks()[1])
        kill(rank, SIGSTOP)
        while (try? stream.readMore()) == true {}
        rest = stream.rest
        if !rest.contains("error") {
          kill(rank, SIGCONT)
          #expect(server.waitUntilReady())
        }
      }
      #expect(rest.contains("waited for rank 1"), "\(rest)")
      #expect(server.program.ends())
      #expect(try server.program.outcome().status != 0)
      #expect(server.program.errorsSoFar.contains("the job is ended, as it does not move: rank 0"))
    }

    @Test(.timeLimit(.minutes(20))) func aSupervisedStartThatGetsStuckNamesTheMissingRank() throws {
      let script = folder.write(
        "#!/bin/bash\n[ \"$OMPI_COMM_WORLD_RANK\" = 1 ] && exec sleep 3600\nexec \"$@\"\n", as: "hang.sh")
      chmod(script, 0o755)
      // After the port is announced the job never comes: the server has to be looked at without waiting for readiness.
      let fault = faultWithPatience([3, 20, 80]) { seconds in
        let program = try RunningProgram(
          [
            Program.path, "serve", "--port", "0", "--supervise", "--start-limit", "\(Int(seconds))", "--max-restarts",
            "1", "--",
          ] + Program.mpirun(ranks: 2) + [script])
        let isGivenUp = program.waitForErrors("giving up")
        let words = "the job ended: the job did not start: rank 1 of 2 has not come up"
        guard isGivenUp, program.errorsSoFar.contains(words) else { return program.errorsSoFar }
        kill(program.process.processIdentifier, SIGTERM)
        return program.ends() ? nil : "it does not end"
      }
      #expect(fault == nil)
    }
  }
}
