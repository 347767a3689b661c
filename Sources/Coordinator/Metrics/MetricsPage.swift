import Serving

/// The page at `/metrics`.
enum MetricsPage {
  static func text(
    _ counts: ServerMetrics.Counts, inFlight: Int, engine: any TokenEngine
  ) -> String {
    let status = engine.status
    var page = PrometheusText()
    requests(counts, inFlight: inFlight, into: &page)
    self.engine(engine, status, into: &page)
    ranks(status, into: &page)
    return page.text
  }

  private static func requests(_ counts: ServerMetrics.Counts, inFlight: Int, into page: inout PrometheusText) {
    page.header("http_responses_total", "counter", "Responses by endpoint and HTTP status.")
    let responses = counts.responses.sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }
    for (outcome, count) in responses {
      page.sample("http_responses_total", [("route", outcome.route), ("status", String(outcome.status))], Double(count))
    }
    page.single("sequences_in_flight", "gauge", "Sequences taken from clients and not ended.", inFlight)
    page.single("prompt_tokens_total", "counter", "Prompt tokens of sequences that have started.", counts.promptTokens)
    page.single("cached_prompt_tokens_total", "counter", "Of them, found in the prefix cache.", counts.cachedTokens)
    page.single("generated_tokens_total", "counter", "Tokens generated.", counts.generatedTokens)
    page.single("client_departures_total", "counter", "Clients that left too early.", counts.departures)
    page.single("slow_clients_total", "counter", "Clients that took too slowly.", counts.slowClients)
    page.single("engine_failures_total", "counter", "Sequences the engine gave up.", counts.engineFailures)
    page.histogram("time_to_first_token_seconds", "From a request's arrival to its first token.", counts.firstToken)
    page.histogram("inter_token_seconds", "Between two tokens of a sequence.", counts.interToken)
    page.histogram("request_seconds", "From a request's arrival to its last token.", counts.wholeRequest)
  }

  private static func engine(
    _ engine: any TokenEngine, _ status: ClusterStatus, into page: inout PrometheusText
  ) {
    let state = engine.state
    page.header("engine_state", "gauge", "1 for the state the engine is in.")
    for name in EngineState.names { page.sample("engine_state", [("state", name)], name == state.name ? 1 : 0) }
    page.single("engine_restarts_total", "counter", "Times the engine's job was started again.", engine.restartCount)
    let (stall, outage) = (engine.stall.map { ContinuousClock.now - $0.since }, engine.outageBegan.map { ContinuousClock.now - $0 })
    page.single("stall_seconds", "gauge", "How long the ranks have been held up in one place; 0 while they go on.", Int((stall ?? .zero).components.seconds))
    page.single("outage_seconds", "gauge", "How long no job has served, under supervision; 0 while one does.", Int((outage ?? .zero).components.seconds))
    if let facts = engine.facts {
      page.single("context_tokens", "gauge", "Most tokens of a sequence.", facts.maximumPositions)
      page.single("sequence_slots", "gauge", "Most sequences in progress at once.", facts.sequences)
    }
    page.single("requests_waiting", "gauge", "Sequences in the engine's queue.", status.requestsWaiting)
    page.single("requests_running", "gauge", "Sequences in progress.", status.requestsRunning)
    page.single("requests_finished_total", "counter", "Sequences ended since the job started.", status.requestsFinished)
    page.single("preemptions_total", "counter", "Sequences put back for want of cache.", status.preemptions)
    page.header("steps_total", "counter", "Steps since the job started.")
    page.sample("steps_total", [("kind", "prefill")], Double(status.prefillSteps))
    page.sample("steps_total", [("kind", "decode")], Double(status.decodeSteps))
    page.header("step_seconds_total", "counter", "Seconds of steps since the job started.")
    page.sample("step_seconds_total", [("kind", "prefill")], status.prefillSeconds)
    page.sample("step_seconds_total", [("kind", "decode")], status.decodeSeconds)
    page.single("expert_bytes_total", "counter", "Bytes of expert layers' messages.", status.bytesSent)
    page.single("expert_messages_total", "counter", "Messages of expert layers.", status.messagesSent)
  }

  private static func ranks(_ status: ClusterStatus, into page: inout PrometheusText) {
    func label(_ rank: ClusterStatus.RankStatus) -> [(String, String)] {
      [("rank", String(rank.rank)), ("host", rank.host)]
    }
    page.header("rank_sequences", "gauge", "Sequences that live on a rank.")
    for rank in status.ranks { page.sample("rank_sequences", label(rank), Double(rank.sequences)) }
    page.header("rank_cache_blocks", "gauge", "Blocks of attention cache: in use, kept for their prefixes, in all.")
    for rank in status.ranks {
      for (kind, count) in [("in_use", rank.blocksInUse), ("cached", rank.blocksCached), ("all", rank.blocks)] {
        page.sample("rank_cache_blocks", label(rank) + [("kind", kind)], Double(count))
      }
    }
    page.header("rank_tokens_total", "counter", "Tokens a rank has fed to the model.")
    for rank in status.ranks { page.sample("rank_tokens_total", label(rank), Double(rank.tokens)) }
    page.header("rank_seconds_total", "counter", "Seconds of a rank's steps by group of phases.")
    for rank in status.ranks {
      let groups = [
        ("attention", rank.attention), ("experts", rank.experts), ("communication", rank.communication),
        ("waiting", rank.waiting), ("other", rank.other),
      ]
      for (group, seconds) in groups { page.sample("rank_seconds_total", label(rank) + [("group", group)], seconds) }
    }
  }
}

extension EngineState {
  static let names = ["loading", "ready", "restarting", "failed", "stopped"]
}
