import Foundation
import HTTPConnection
import JSON
import Synchronization
import TestSupport
import Testing

extension CommandTests {
  /// The server as its users meet it: over HTTP, on several ranks, through deaths of ranks.
  struct ServeTests {
    private let folder = TemporaryFolder()

    private func completion(_ prompt: String, _ count: Int, seed: Int? = nil, stream: Bool = false) -> JSONValue {
      var body = JSONObject([
        ("model", "demo-model"), ("prompt", .string(prompt)), ("max_tokens", .int(count)),
        ("temperature", seed == nil ? .int(0) : .double(0.8)),
        ("ignore_eos", .bool(true)), ("stream", .bool(stream)),
      ])
      // `generate` follows no recommendation of the model's.
      if let seed { (body["seed"], body["top_p"]) = (.int(seed), 1) }
      return .object(body)
    }

    private let prompts = [
      "In the beginning", "Enter the ghost of", "And the king said unto", "O that this too", "Blessed are", "Now is",
    ]

    @Test(.timeLimit(.minutes(20))) func anAddressThatCannotBeHadIsToldInPlainWords() throws {
      let server = try RunningServer([])
      for (options, reason) in [
        (["--port", "\(server.port)"], "Address already in use"),
        (["--host", "no-such-host.invalid", "--port", "0"], "there is no host of this name"),
      ] {
        let refused = try Program.run(["serve"] + options)
        #expect(
          refused.status == 1 && refused.errors.contains(": \(reason); give another address"), "\(refused.errors)")
      }
    }

    /// What `generate` makes of the same prompt.
    private func alone(_ prompt: String, _ count: Int, seed: Int? = nil) throws -> String {
      var arguments = ["generate", "--prompt", prompt, "--max-new-tokens", "\(count)", "--ignore-eos", "--json"]
      if let seed { arguments += ["--temperature", "0.8", "--seed", "\(seed)"] }
      return try #require(try jsonLines(try Program.run(arguments))[0]["text"]?.string)
    }

    /// The texts of these bodies, all asked for at once.
    private func together(port: Int, _ bodies: [JSONValue]) throws -> [String] {
      let texts = Mutex<[Int: Result<String, any Error>]>([:])
      DispatchQueue.concurrentPerform(iterations: bodies.count) { i in
        let result = Result {
          let connection = try Connection(port: port)
          try connection.sendRequest(
            "POST", "/v1/completions", headers: ["Connection: close"], body: Array(bodies[i].text().utf8))
          let reply = try connection.readReply()
          guard reply.status == 200 else { throw Connection.Failure(description: "\(reply.status): \(reply.text)") }
          return reply.choices.map { $0["text"]?.string ?? "" }.joined()
        }
        texts.withLock { $0[i] = result }
      }
      return try bodies.indices.map { i in try texts.withLock { $0[i] }!.get() }
    }

    @Test(.timeLimit(.minutes(20)), arguments: [nil, 1, 2, 3] as [Int?])
    func answersAreThoseOfGenerateOnAnyRanksAmongAnyOthers(ranks: Int?) throws {
      let server = try RunningServer([], ranks: ranks)
      let port = server.port
      var bodies: [JSONValue] = []
      var expected: [String] = []
      for (i, prompt) in prompts.enumerated() {
        let seed = i % 2 == 0 ? nil : 40 + i
        bodies.append(completion(prompt, 24, seed: seed, stream: i % 3 == 0))
        expected.append(try alone(prompt, 24, seed: seed))
      }
      #expect(try together(port: port, bodies) == expected)
      #expect(try together(port: port, bodies) == expected, "again, with prefixes in the cache")
      let cluster = try server.get("/cluster").json
      #expect(cluster["facts"]?["rank_count"]?.exactInt == ranks ?? 1)
      #expect(try server.get("/").text.contains("<html"))
      let metrics = try server.get("/metrics").text
      #expect(
        metrics.contains("martinet_")
          && metrics.split(separator: "\n").allSatisfy { $0.hasPrefix("#") || $0.contains(" ") })
      if ranks == nil {
        #expect(server.drain() == 0, "\(server.program.errorsSoFar)")
      } else {
        kill(server.program.process.processIdentifier, SIGTERM)
        #expect(server.program.ends())
      }
    }

    @Test(.timeLimit(.minutes(20))) func aSchemaHoldsOnSeveralRanks() throws {
      let server = try RunningServer([], ranks: 2)
      let schema = try JSONValue(
        parsing: """
          {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "kind": {"enum": ["king", "ghost"]},
           "age": {"type": "integer", "minimum": 1, "maximum": 99}}, "required": ["name", "kind", "age"], "additionalProperties": false}
          """)
      for seed in 0..<4 {
        let reply = try server.post(
          "/v1/chat/completions",
          [
            "model": "demo-model", "messages": [["role": "user", "content": "Who is there?"]], "seed": .int(seed),
            "max_tokens": 200,
            "temperature": 1,
            "response_format": [
              "type": "json_schema", "json_schema": ["name": "person", "schema": schema, "strict": true],
            ],
          ])
        let content = try #require(reply.json["choices"]?.array?.first?["message"]?["content"]?.string, "\(reply.text)")
        let person = try JSONValue(parsing: content)
        #expect(person.object?.keys == ["name", "kind", "age"], "\(content)")
        #expect(
          ["king", "ghost"].contains(person["kind"]?.string) && (1...99).contains(person["age"]?.exactInt ?? 0),
          "\(content)")
        #expect(reply.json["choices"]?.array?.first?["finish_reason"]?.string == "stop")
      }
    }

    /// Texts, log-probabilities, forms and where they end; under supervision the options reach the job.
    @Test(.timeLimit(.minutes(20))) func draftsChangeNoAnswer() throws {
      let list: JSONValue = ["type": "array", "items": ["enum": ["king", "ghost"]], "minItems": 9, "maxItems": 20]
      let schema: JSONValue = [
        "type": "object", "properties": ["who": list], "required": ["who"], "additionalProperties": false,
      ]
      let bodies: [(path: String, body: JSONValue)] = [
        (
          "/v1/completions",
          [
            "model": "demo-model", "prompt": "the king the king the king", "max_tokens": 60, "temperature": 0,
            "logprobs": 2, "ignore_eos": true,
          ]
        ),
        (
          "/v1/completions",
          [
            "model": "demo-model", "prompt": "In the beginning", "max_tokens": 60, "temperature": .double(0.7),
            "seed": 5, "stop": ["e t", "."],
          ]
        ),
        (
          "/v1/chat/completions",
          [
            "model": "demo-model", "messages": [["role": "user", "content": "Who is there?"]], "max_tokens": 200,
            "temperature": 1, "seed": 3,
            "response_format": [
              "type": "json_schema", "json_schema": ["name": "list", "schema": schema, "strict": true],
            ],
          ]
        ),
      ]
      func answers(_ options: [String], _ ranks: Int) throws -> (choices: [JSONValue?], metrics: String) {
        let server = try RunningServer(options, supervisedRanks: ranks)
        let choices = try bodies.map { path, body in
          let reply = try server.post(path, body)
          #expect(reply.status == 200, "\(reply.text)")
          return reply.json["choices"]
        }
        return (choices, try server.get("/metrics").text)
      }
      let plain = try answers([], 1)
      for ranks in [1, 2] {
        let drafting = try answers(["--speculate", "lookup", "--draft-tokens", "6"], ranks)
        #expect(drafting.choices == plain.choices)
        #expect(drafting.metrics.contains("martinet_speculation_steps_total{drafts=\"without\"}"))
      }
    }

    /// Tokens that take some seconds: the kernels of a debug build are slow.
    private static let longCount: Int = {
      #if DEBUG
        40
      #else
        400
      #endif
    }()

    @Test(.timeLimit(.minutes(20))) func ranksThatDieOrHangCostOnlyTime() throws {
      let server = try RunningServer(["--stall-limit", "2"], supervisedRanks: 2)
      let port = server.port
      let expected = try prompts.map { try alone($0, Self.longCount) }
      let bodies = prompts.map { completion($0, Self.longCount, stream: true) }
      for fault in [SIGKILL, SIGSTOP, SIGKILL] {
        let texts = Mutex<Result<[String], any Error>?>(nil)
        let asking = Thread { [self] in
          let result = Result { try together(port: port, bodies) }
          texts.withLock { $0 = result }
        }
        // One stream more, whose first token says that work is under way.
        let first = try Connection(port: port)
        asking.start()
        try first.sendRequest("POST", "/v1/completions", body: Array(bodies[0].text().utf8))
        _ = try first.read(until: "data: ")
        kill(try #require(server.program.ranks()[1]), fault)
        #expect(eventually { texts.withLock { $0 != nil } })
        #expect(try texts.withLock { $0 }?.get() == expected, "\(server.program.errorsSoFar)")
        first.close()
      }
      #expect(server.program.errorsSoFar.contains("rank 1"), "the rank that hung is named")
      #expect(server.drain() == 0)
    }

    @Test(.timeLimit(.minutes(20))) func aPortInUseIsToldOnceAndEndsTheJob() throws {
      let server = try RunningServer([])
      let second = try Program.run(["serve", "--port", "\(server.port)"], ranks: 2)
      #expect(second.status != 0 && !second.isCrash)
      #expect(second.errors.components(separatedBy: "\(server.port)").count == 2, "\(second.errors)")
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        ["--port", "65536"], ["--tls-key", "x"], ["--api-key-file", "/dev/null/x"], ["--max-queue", "-1"],
        ["--", "-n", "2"],
        ["--default-temperature", "3"], ["--default-top-k", "-1"], ["--generation-config", "/dev/null/x"],
        ["--model", "/dev/null/x"], ["--supervise", "--model", "/dev/null/x"],
      ])
    func badOptionsAreErrors(options: [String]) throws {
      let run = try Program.run(["serve"] + options)
      #expect(run.status != 0 && !run.isCrash && !run.errors.isEmpty)
    }

    @Test(
      .timeLimit(.minutes(20)),
      arguments: [
        ([], "temperature 0.1, top-p 0.95 (from generation_config.json)", 0.1, 0.95, 0),
        (
          ["--default-top-k", "5"],
          "temperature 0.1, top-p 0.95, top-k 5 (from generation_config.json and the command line)", 0.1, 0.95, 5
        ),
        (["--generation-config", "none"], "temperature 1.0 (the API's defaults)", 1, 1, 0),
        (["--default-temperature", "0"], "the most probable token", 0, 0.95, 0),
      ] as [([String], String, Double, Double, Int)])
    func whatHoldsWhereARequestDoesNotSayIsTold(
      options: [String], line: String, temperature: Double, topP: Double, topK: Int
    ) throws {
      let server = try RunningServer(options)
      #expect(server.program.errorsSoFar.contains("where a request does not say: " + line))
      let told = try server.get("/v1/models").json["data"]?.array?.first?["default_sampling"]
      #expect(
        told?["temperature"]?.double == temperature && told?["top_p"]?.double == topP
          && told?["top_k"]?.exactInt == topK)
      #expect(server.drain() == 0)
    }

    @Test func generateFollowsARecommendationWhereItIsAskedTo() throws {
      func text(_ options: [String]) throws -> String {
        let run = try Program.run(
          ["generate", "--prompt", "In the beginning", "--max-new-tokens", "12", "--seed", "3"] + options)
        #expect(run.status == 0, "\(run.errors)")
        return run.output
      }
      let file = folder.file("generation.json")
      try Data(#"{"do_sample": false, "temperature": 0.7}"#.utf8).write(to: URL(filePath: file))
      #expect(try text(["--generation-config", "auto"]) == text(["--temperature", "0.1", "--top-p", "0.95"]))
      #expect(try text(["--generation-config", file]) == text([]))
      try Data(#"{"temperature": -1}"#.utf8).write(to: URL(filePath: file))
      let run = try Program.run(["generate", "--prompt", "a", "--generation-config", file])
      #expect(run.status != 0 && !run.isCrash && run.errors.contains("temperature"))
    }

    @Test(.timeLimit(.minutes(20))) func whatWasServedIsReported() throws {
      let server = try RunningServer(["--report", folder.file("r.html"), "--report-json", folder.file("r.json")])
      _ = try server.complete(completion("In the beginning", 20))
      #expect(server.drain() == 0)
      let report = try JSONValue(parsing: Data(contentsOf: URL(filePath: folder.file("r.json"))))
      #expect(report["schema"] != nil || report.object?.count ?? 0 > 0)
      #expect(try String(contentsOfFile: folder.file("r.html"), encoding: .utf8).contains("<svg"))
    }
  }
}
