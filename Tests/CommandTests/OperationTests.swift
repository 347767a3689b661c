import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// The server as those who run it meet it: its log, its files, its limits.
  struct OperationTests {
    private let folder = TemporaryFolder()

    private let completion: JSONValue = [
      "model": "demo-model", "prompt": "In the beginning", "max_tokens": 4, "temperature": 0, "ignore_eos": true,
    ]

    @Test(.timeLimit(.minutes(20))) func allLinesOfTheLogHaveTimesAndMayBeJSON() throws {
      for ranks in [nil, 2] as [Int?] {
        let server = try RunningServer(["--log-format", "json", "--log-level", "debug"], ranks: ranks)
        _ = try server.complete(completion)
        kill(server.program.process.processIdentifier, SIGTERM)
        #expect(server.program.ends())
        let own = server.program.errorsSoFar.split(separator: "\n").filter {
          $0.contains("martinet") || $0.hasPrefix("{")
        }
        let lines = own.compactMap { try? JSONValue(parsing: String($0)) }
        #expect(ranks != nil || lines.count == own.count, "\(server.program.errorsSoFar)")
        #expect(lines.allSatisfy { $0["time"]?.string?.hasSuffix("Z") == true && $0["level"] != nil })
        #expect(lines.contains { $0["message"] == "ready" })
        let request = try #require(lines.first { $0["path"] == "/v1/completions" })
        #expect(request["completion_tokens"] == 4 && request["model"] == "demo-model" && request["end"] == "finished")
        #expect(lines.contains { $0["path"] == "/ready" && $0["level"] == "debug" })
      }
    }

    /// A reader of JSON lines meets those of all ranks.
    @Test(.timeLimit(.minutes(20))) func linesOfOtherRanksAreInTheLogsFormToo() throws {
      let server = try RunningServer(["--log-format", "json", "--stall-limit", "1"], ranks: 3)
      var body = completion.object ?? JSONObject()
      (body["max_tokens"], body["stream"]) = (400, true)
      let rank = try #require(server.program.ranks()[2])
      defer { kill(rank, SIGCONT) }
      // Rank 1 waits for another only if it is within a step: where the ranks are when one stops is chance.
      let isTold = try eventually {
        let stream = try Connection(port: server.port)
        try stream.sendRequest("POST", "/v1/completions", body: Array(JSONValue.object(body).text().utf8))
        _ = try stream.read(until: "data: ")
        kill(rank, SIGSTOP)
        sleep(4)
        defer { kill(rank, SIGCONT) }
        return server.program.errorsSoFar.contains("rank 1 (")
      }
      #expect(isTold)
      let lines = server.program.errorsSoFar.split(separator: "\n").filter {
        $0.contains("waited") || $0.contains("stall")
      }
      #expect(lines.contains { $0.contains("rank 1 (") })
      for line in lines {
        let json = try? JSONValue(parsing: String(line))
        #expect(json?["time"]?.string?.hasSuffix("Z") == true && json?["level"] != nil, "\(line)")
      }
    }

    @Test(.timeLimit(.minutes(20))) func filesOfKeysAreReadAgainAtAHangup() throws {
      let keys = folder.write("first\n", as: "keys")
      let server = try RunningServer(["--api-key-file", keys])
      func status(_ key: String) throws -> Int {
        let connection = try Connection(port: server.port)
        try connection.sendRequest("GET", "/v1/models", headers: ["Authorization: Bearer \(key)"])
        return try connection.readReply().status
      }
      #expect(try status("first") == 200 && status("second") == 401)
      _ = folder.write("second\n", as: "keys")
      kill(server.program.process.processIdentifier, SIGHUP)
      #expect(try eventually { try status("second") == 200 })
      #expect(try status("first") == 401 && status("second") == 200)
      #expect(server.drain() == 0)
    }

    @Test(.timeLimit(.minutes(20))) func aServerWithoutFilesLeftGoesOn() throws {
      let server = try RunningServer([], fileLimit: 48)
      var held: [Connection] = []
      for _ in 0..<64 { held.append(try Connection(port: server.port)) }
      #expect(server.program.waitForErrors("cannot be accepted"))
      #expect(
        server.program.errorsSoFar.contains("cannot be accepted: Too many open files; raise the limit of open files"),
        "\(server.program.errorsSoFar)")
      for connection in held { connection.close() }
      let metrics = try server.get("/metrics").text
      #expect(metrics.firstMatch(of: /martinet_connections_delayed_total\{reason="files"\} [1-9]/) != nil)
      #expect(server.drain() == 0)
    }
  }
}
