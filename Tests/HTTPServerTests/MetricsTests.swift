import EngineAPI
import Foundation
import HTTPConnection
import JSON
import TestSupport
import Testing

@testable import HTTPServer

@Suite struct MetricsTests {
  private let folder = TemporaryFolder()

  @Test func aHistogramCountsUpToItsBounds() {
    var histogram = Histogram(bounds: [1, 10])
    for value in [0.5, 1, 5, 100] { histogram.record(value) }
    var page = PrometheusText()
    page.histogram("h", "help", histogram)
    let lines = page.text.split(separator: "\n")
    #expect(lines.contains(#"martinet_h_bucket{le="1"} 2"#))
    #expect(lines.contains(#"martinet_h_bucket{le="10"} 3"#))
    #expect(lines.contains(#"martinet_h_bucket{le="+Inf"} 4"#))
    #expect(lines.contains("martinet_h_sum 106.5") && lines.contains("martinet_h_count 4"))
  }

  @Test func labelsAreEscaped() {
    var page = PrometheusText()
    page.sample("x", [("host", "a\"b\\c\nd")], 1)
    #expect(page.text == #"martinet_x{host="a\"b\\c\nd"} 1"# + "\n")
  }

  @Test func promptTokensCountForEachSequenceThatHasStarted() async throws {
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was") + [1])
    script.cachedTokens = 4
    let engine = FakeEngine(script)
    try await TestServer.run(engine) { server async throws in
      #expect(try await server.chat(["n": 3]).status == 200)
      let length = engine.submitted[0].prompt.count
      #expect(server.modelServer.metrics.current.promptTokens == 3 * length)
      #expect(server.modelServer.metrics.current.cachedTokens == 12)
      #expect(try await server.complete(["n": 2], prompt: [[10, 11], [12, 13, 14]]).status == 200)
      #expect(server.modelServer.metrics.current.promptTokens == 3 * length + 10)
      // Nothing is computed for these.
      #expect(try await server.complete(["echo": true, "max_tokens": 0]).status == 200)
      #expect(server.modelServer.metrics.current.promptTokens == 3 * length + 10)
    }
  }

  /// A line of the board that names no metric of the page would show nothing, for ever.
  @Test func everyMetricOfTheBoardIsOnThePage() async throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().appending(
      path: "../../deploy/grafana/martinet.json")
    let board = try JSONValue(parsing: try Data(contentsOf: path))
    var queries: [String] = []
    func collect(_ value: JSONValue) {
      for (key, member) in value.object?.members.map({ ($0.key, $0.value) }) ?? [] {
        if ["expr", "query", "definition"].contains(key), let text = member.string { queries.append(text) }
        collect(member)
      }
      value.array?.forEach(collect)
    }
    collect(board)
    let named = Set(queries.flatMap { $0.matches(of: /\b(martinet|process)_[a-z_]+/).map { String($0.0) } })
    #expect(named.count > 20)
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was") + [1])
    script.cachedTokens = 1
    let engine = FakeEngine(script)
    var status = ClusterStatus()
    status.ranks = [ClusterStatus.RankStatus()]
    engine.status = status
    try await TestServer.run(engine) { [queries] server in
      _ = try await server.chat(["stream": true])
      try await server.eventually("its end is not counted") { !server.modelServer.metrics.current.ends.isEmpty }
      var secure = server.modelServer.configuration
      secure.tls = TLSFiles(
        certificate: folder.write(TLSTests.certificate, as: "a.crt"), key: folder.write(TLSTests.key, as: "a.key"))
      let text =
        try await server.get("/metrics").text
        + MetricsPage(try ModelServer(engine: engine, configuration: secure)).text
      let page = Set(
        text.split(separator: "\n").compactMap { $0.hasPrefix("#") ? nil : $0.prefix { $0 != "{" && $0 != " " } })
      #expect(named.filter { !page.contains(Substring($0)) } == [])
      // So are the labels by which it adds up, and the values by which it chooses.
      for query in queries {
        let metrics = Set(query.matches(of: /\b(martinet|process)_[a-z_]+/).map { $0.0 })
        let samples = text.split(separator: "\n").filter { metrics.contains($0.prefix { $0 != "{" && $0 != " " }) }
        let labels = query.matches(of: /by \(([a-z_, ]+)\)/).flatMap { $0.1.split { ", ".contains($0) } }
        let choices = query.matches(of: /\b[a-z_]+="[a-z_]+"/).map { String($0.0) }
        for part in labels.map({ "\($0)=\"" }) + choices {
          #expect(samples.contains { $0.contains(part) }, "\(part) in \(query)")
        }
      }
    }
  }

  @Test func thePageTellsOfTheServerItself() async throws {
    let engine = TestModel.plain.engine(answering: " x")
    try await TestServer.run(
      engine,
      configure: {
        $0.version = "1.2.3"
        $0.keys = APIKeys(["secret"])
      }
    ) { server in
      _ = try await server.get("/v1/models")
      _ = try await server.get("/v1/models", headers: ["Origin: http://evil.example"])
      let text = try await server.get("/metrics", headers: ["Authorization: Bearer secret"]).text
      let lines = Set(text.split(separator: "\n").map(String.init))
      for line in [
        #"martinet_build_info{version="1.2.3"} 1"#, #"martinet_model_info{model="demo",family="deepseek_v3"} 1"#,
        #"martinet_requests_refused_total{reason="invalid_api_key"} 1"#,
        #"martinet_requests_refused_total{reason="origin_not_allowed"} 1"#,
        #"martinet_requests_refused_total{reason="queue_full"} 0"#, "martinet_connections_total 3",
        "martinet_engine_silence_seconds 0",
        #"martinet_connections_delayed_total{reason="files"} 0"#,
      ] { #expect(lines.contains(line), "\(line)") }
      func value(_ name: String) -> Double? {
        lines.first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
      }
      #expect(value("process_resident_memory_bytes") ?? 0 > 1e6 && value("process_open_fds") ?? 0 > 2)
      #expect(value("process_max_fds") ?? 0 >= value("process_open_fds") ?? .infinity)
      let age = Date().timeIntervalSince1970 - (value("process_start_time_seconds") ?? 0)
      #expect((-2...86_400).contains(age))
    }
  }

  @Test func anEngineThatGivesNothingIsSeen() async throws {
    var script = FakeEngine.Script([])
    script.finish = nil
    let engine = FakeEngine(script)
    try await TestServer.run(engine) { server in
      let port = server.port
      let connection = try await onThread {
        let connection = try Connection(port: port)
        try connection.sendRequest("POST", "/v1/completions", body: TestServer.bytes(["prompt": "a", "stream": true]))
        return connection
      }
      try await server.eventually("no sequence is given to the engine") { engine.active.count == 1 }
      func silence() async throws -> Double {
        let line = try await server.get("/metrics").text.split(separator: "\n").first {
          $0.hasPrefix("martinet_engine_silence_seconds ")
        }
        return try #require(Double(line?.split(separator: " ").last ?? ""))
      }
      // It grows while nothing comes.
      let first = try await silence()
      let deadline = ContinuousClock.now + .seconds(600)
      while try await silence() < first + 0.1 { try #require(ContinuousClock.now < deadline) }
      connection.close()
    }
  }

  @Test func connectionsBeyondTheLimitWaitAndAreCounted() async throws {
    let lines = RequestLogTests.Lines()
    try await TestServer.run(
      TestModel.plain.engine(answering: " x"),
      configure: { ($0.limits.connections, $0.logger) = (2, lines.logger(.text)) }
    ) { server in
      let port = server.port
      let held = try await onThread { try (0..<2).map { _ in try Connection(port: port) } }
      let counted = server.modelServer.connections
      try await server.eventually("the limit is not noticed") { counted.waits == 1 && counted.open == 2 }
      let late = try await onThread { try Connection(port: port) }
      try await server.eventually("the limit is not told") {
        lines.all.contains { $0.contains("warning martinet: 2 connections are open") }
      }
      held[0].close()
      try await server.eventually("the next one is not accepted") { counted.opened == 3 }
      late.close()
    }
  }

  @Test func thePageCountsWhatHappened() async throws {
    var script = FakeEngine.Script(TestModel.plain.tokens(" there was") + [1])
    script.cachedTokens = 3
    let engine = FakeEngine(script)
    var status = ClusterStatus()
    var rank = ClusterStatus.RankStatus()
    (rank.rank, rank.host, rank.blocks, rank.attention) = (1, "node-1", 64, 2.5)
    (status.ranks, status.preemptions) = ([rank], 4)
    (status.drafted, status.accepted) = ([9, 4], [7, 1])
    (status.draftingSteps, status.restingSteps, status.speculationGain) = (5, 6, 1.25)
    engine.status = status
    try await TestServer.run(engine) { server in
      _ = try await server.chat()
      _ = try await server.chat(["stream": true])
      _ = try await server.chat(["temperature": 9])
      _ = try await server.get("/nothing")
      let ended = ServerMetrics.RequestEnd(route: "/v1/chat/completions", end: "finished")
      try await server.eventually("not all ends are counted") { server.modelServer.metrics.current.ends[ended] == 3 }
      engine.restartCount = 3
      let page = try await server.get("/metrics")
      #expect(page.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
      let lines = Set(page.text.split(separator: "\n").map(String.init))
      for line in [
        #"martinet_http_responses_total{route="/v1/chat/completions",status="200"} 2"#,
        #"martinet_http_responses_total{route="/v1/chat/completions",status="400"} 1"#,
        #"martinet_http_responses_total{route="other",status="404"} 1"#,
        "martinet_generated_tokens_total 6", "martinet_cached_prompt_tokens_total 6",
        "martinet_time_to_first_token_seconds_count 2", "martinet_inter_token_seconds_count 4",
        "martinet_request_seconds_count 2", "martinet_sequences_in_flight 0", "martinet_preemptions_total 4",
        "martinet_queue_seconds_count 2",
        #"martinet_requests_ended_total{route="/v1/chat/completions",end="finished"} 3"#,
        "martinet_engine_restarts_total 3", #"martinet_engine_state{state="ready"} 1"#,
        #"martinet_rank_cache_blocks{rank="1",host="node-1",kind="all"} 64"#,
        #"martinet_rank_seconds_total{rank="1",host="node-1",group="attention"} 2.5"#,
        #"martinet_drafts_total{place="1",result="accepted"} 7"#,
        #"martinet_drafts_total{place="2",result="rejected"} 3"#,
        #"martinet_speculation_steps_total{drafts="with"} 5"#,
        #"martinet_speculation_steps_total{drafts="without"} 6"#, "martinet_speculation_gain 1.25",
      ] { #expect(lines.contains(line), "\(line)") }
      for line in lines where !line.hasPrefix("#") {
        #expect(line.wholeMatch(of: /[a-z_]+(\{[^}]*\})? [-+0-9.einfa]+/) != nil, "\(line)")
      }
    }
  }
}
