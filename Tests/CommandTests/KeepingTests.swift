import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

extension CommandTests {
  /// Weights that outlive the ranks that packed them, and that ranks of a host have in common.
  struct KeepingTests {
    private let generate = ["generate", "--prompt", "In the beginning", "--max-new-tokens", "8", "--ignore-eos"]

    private let folder = TemporaryFolder()

    /// With a keeper of this test's own, which goes with its folder.
    private func command(_ arguments: [String], ranks: Int? = nil) -> [String] {
      ["env", "MARTINET_KEEPER_FOLDER=\(folder.file("keeper"))"] + (ranks.map { Program.mpirun(ranks: $0) } ?? [])
        + [Program.path] + arguments
    }

    private func kept() throws -> [String] { try Program.execute(command(["release", "--list"])).lines }

    /// Where there are more, each rank may have one.
    private static let hasOneNode = access("/sys/devices/system/node/node1", F_OK) != 0

    private static let longCount: Int = {
      #if DEBUG
        40
      #else
        400
      #endif
    }()

    @Test(.timeLimit(.minutes(20))) func aJobThatComesBackTakesItsWeightsAndGoesOnWithTheSameText() throws {
      let count = "\(Self.longCount)"
      let expected = try Program.run([
        "generate", "--prompt", "In the beginning", "--max-new-tokens", count, "--ignore-eos", "--json",
      ])
      let text = try JSONValue(parsing: try #require(expected.lines.first))["text"]?.string
      let server = try RunningServer(
        command: command(["serve", "--port", "0", "--supervise", "--"]) + Program.mpirun(ranks: 2))
      #expect(!server.program.errorsSoFar.contains("took the kept weights"))
      // Experts of each rank, and what they have in common.
      let list = try kept()
      #expect(list.count == (Self.hasOneNode ? 3 : 2), "\(list)")
      for round in 1...2 {
        let stream = try Connection(port: server.port)
        let body: JSONValue = [
          "model": "demo-model", "prompt": "In the beginning", "max_tokens": .int(Self.longCount), "temperature": 0,
          "ignore_eos": true, "stream": true,
        ]
        try stream.sendRequest(
          "POST", "/v1/completions", headers: ["Connection: close"], body: Array(body.text().utf8))
        _ = try stream.read(until: "data: ")
        kill(try #require(server.program.ranks()[round % 2]), SIGKILL)
        let again = try server.complete(
          [
            "model": "demo-model", "prompt": "In the beginning", "max_tokens": .int(Self.longCount), "temperature": 0,
            "ignore_eos": true,
          ])
        #expect(again == text, "\(server.program.errorsSoFar)")
        let rest = try stream.read(until: "data: [DONE]")
        #expect(!rest.contains("\"error\""))
        let takings =
          server.program.errorsSoFar.components(separatedBy: "took the kept weights of 2 of 2 ranks").count - 1
        #expect(takings == round, "\(server.program.errorsSoFar)")
      }
      #expect(server.drain() == 0)
      #expect(try kept().isEmpty, "a good end gives them up")
    }

    @Test(.timeLimit(.minutes(20)), arguments: [nil, 2] as [Int?])
    func theNextRunTakesThemUntilTheyAreReleased(ranks: Int?) throws {
      let keeping = generate + ["--keep-weights", "always", "--keep-weights-for", "3600"]
      func run(_ options: [String]) throws -> (text: String, took: Bool) {
        let found = try Program.execute(command(options, ranks: ranks))
        #expect(found.status == 0, "\(found.errors)")
        return (found.output, found.errors.contains("took the kept weights"))
      }
      let plain = try run(generate)
      let first = try run(keeping)
      #expect(!plain.took && !first.took && first.text == plain.text)
      let (second, other) = (try run(keeping), try run(keeping + ["--weights", "q8"]))
      #expect(second.took && second.text == plain.text)
      #expect(!other.took, "those of another precision are others")
      let list = try kept()
      #expect(!list.isEmpty && list.allSatisfy { $0.contains("for nobody") && $0.contains("demo-model") }, "\(list)")
      let released = try Program.execute(command(["release"]))
      #expect(released.status == 0 && released.errors.contains("let go of"), "\(released.errors)")
      #expect(try kept().isEmpty)
      #expect(try !run(keeping).took)
      #expect(try Program.execute(command(["release", "--all"])).status == 0)
      for wrong in [["--keep-weights", "never"], ["--keep-weights-for", "-1"]] {
        #expect(try Program.run(generate + wrong).status != 0)
      }
    }

    @Test(.timeLimit(.minutes(20)), .enabled(if: hasOneNode)) func ranksOfAHostMapOneCopy() throws {
      let server = try RunningServer(command: command(["serve", "--port", "0"], ranks: 2))
      // Several at once: each rank attends to some.
      let prompts: JSONValue = ["And the king", "In the beginning", "Now is", "Blessed are"]
      _ = try server.complete(["model": "demo-model", "prompt": prompts, "max_tokens": 8, "ignore_eos": true])
      #expect(server.program.errorsSoFar.contains("ranks share one copy"), "\(server.program.errorsSoFar)")
      var (resident, share) = (0, 0)
      for process in server.program.ranks().values {
        var isOurs = false
        // Such a file tells no size, and comes a page at a time.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/\(process)/smaps"))
        var maps = Data()
        while let piece = try file.read(upToCount: 1 << 16), !piece.isEmpty { maps += piece }
        for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
          let words = line.split(whereSeparator: \.isWhitespace)
          // The line of a mapping begins with its addresses.
          if words[0].contains("-"), !words[0].hasSuffix(":") { isOurs = line.contains("martinet-weights") }
          guard isOurs, words.count > 1, let kibibytes = Int(words[1]) else { continue }
          if words[0] == "Rss:" { resident += kibibytes }
          if words[0] == "Pss:" { share += kibibytes }
        }
      }
      // Two ranks have more than a MiB in common, which the kernel counts half for each.
      #expect(
        resident > 1 << 10 && share * 10 < resident * 7,
        "\(share) of \(resident) KiB in \(server.program.ranks())")
      #expect(try kept().isEmpty, "nothing is kept that nobody asked for")
      let apart = try Program.run(generate + ["--no-share-weights"], ranks: 2)
      #expect(apart.status == 0 && !apart.errors.contains("share one copy"))
    }
  }
}
