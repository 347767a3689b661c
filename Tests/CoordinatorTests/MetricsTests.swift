import JSON
import Serving
import Testing

@testable import Coordinator

@Suite struct MetricsTests {
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
      #expect(server.coordinator.metrics.current.promptTokens == 3 * length)
      #expect(server.coordinator.metrics.current.cachedTokens == 12)
      #expect(try await server.complete(["n": 2], prompt: [[10, 11], [12, 13, 14]]).status == 200)
      #expect(server.coordinator.metrics.current.promptTokens == 3 * length + 10)
      // Nothing is computed for these.
      #expect(try await server.complete(["echo": true, "max_tokens": 0]).status == 200)
      #expect(server.coordinator.metrics.current.promptTokens == 3 * length + 10)
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
    engine.status = status
    try await TestServer.run(engine) { server in
      _ = try await server.chat()
      _ = try await server.chat(["stream": true])
      _ = try await server.chat(["temperature": 9])
      _ = try await server.get("/nothing")
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
        "martinet_engine_restarts_total 3", #"martinet_engine_state{state="ready"} 1"#,
        #"martinet_rank_cache_blocks{rank="1",host="node-1",kind="all"} 64"#,
        #"martinet_rank_seconds_total{rank="1",host="node-1",group="attention"} 2.5"#,
      ] { #expect(lines.contains(line), "\(line)") }
      for line in lines where !line.hasPrefix("#") {
        #expect(line.wholeMatch(of: /[a-z_]+(\{[^}]*\})? [-+0-9.einfa]+/) != nil, "\(line)")
      }
    }
  }
}
