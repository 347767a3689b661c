import EngineAPI
import Machine

/// The page at `/metrics`.
struct MetricsPage {
  private(set) var page = PrometheusText()

  init(_ server: ModelServer) {
    let counts = server.metrics.current
    let status = server.engine.status
    service(server)
    process()
    connections(server, counts)
    requests(counts, inFlight: server.admission.inFlight, silence: server.progress.age.inSeconds)
    engine(server.engine, status)
    ranks(status)
  }

  var text: String { page.text }

  private mutating func service(_ server: ModelServer) {
    let configuration = server.configuration
    page.header("build_info", "gauge", "Version of the program.")
    page.sample("build_info", [("version", configuration.version)], 1)
    page.header("model_info", "gauge", "The model that is served, by its names.")
    for name in configuration.modelNames {
      page.sample("model_info", [("model", name), ("family", server.engine.facts?.family ?? "")], 1)
    }
    if let expiry = server.secrets.certificateExpiry {
      page.single("tls_certificate_expiry_timestamp_seconds", "gauge", "End of the TLS certificate's validity.", expiry)
    }
    page.header("reloads_total", "counter", "Files of keys and certificates read again.")
    let reloads = server.metrics.current.reloads.map { ($0.what, $0.isSuccess ? "success" : "failure", $1) }
    for (what, outcome, count) in reloads.sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) {
      page.sample("reloads_total", [("what", what), ("outcome", outcome)], Double(count))
    }
  }

  /// By the names that Prometheus' libraries have for them.
  private mutating func process() {
    let usage = ProcessUsage()
    page.common(
      "process_resident_memory_bytes", "gauge", "Resident memory of the process that answers.",
      usage.residentBytes.map(Double.init))
    page.common(
      "process_virtual_memory_bytes", "gauge", "Virtual memory of the process that answers.",
      usage.virtualBytes.map(Double.init))
    page.common("process_cpu_seconds_total", "counter", "Processor time of the process that answers.", usage.cpuSeconds)
    page.common(
      "process_open_fds", "gauge", "Open files of the process that answers.", usage.openFiles.map(Double.init))
    page.common("process_max_fds", "gauge", "Most files it may have open.", usage.fileLimit.map(Double.init))
    page.common("process_start_time_seconds", "gauge", "When it was started, in seconds since 1970.", usage.startTime)
  }

  private mutating func connections(_ server: ModelServer, _ counts: ServerMetrics.Counts) {
    let connections = server.connections
    page.single("open_connections", "gauge", "Connections of clients.", connections.open)
    page.single("connections_total", "counter", "Connections accepted.", connections.opened)
    page.counts(
      "connections_delayed_total", "Times that connections were not accepted at once: too many, or no files.",
      by: "reason",
      ["connection_limit": connections.waits, "files": counts.failedAccepts])
  }

  /// `silence`: since the engine gave something or was given its first work.
  private mutating func requests(_ counts: ServerMetrics.Counts, inFlight: Int, silence: Double) {
    page.header("http_responses_total", "counter", "Responses by endpoint and HTTP status.")
    let responses = counts.responses.sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }
    for (outcome, count) in responses {
      page.sample(
        "http_responses_total", [("route", outcome.route), ("status", String(outcome.status))], Double(count))
    }
    page.header(
      "requests_ended_total", "counter", "Requests by endpoint and how they ended, streams at their last byte.")
    for (end, count) in counts.ends.sorted(by: { ($0.key.route, $0.key.end) < ($1.key.route, $1.key.end) }) {
      page.sample("requests_ended_total", [("route", end.route), ("end", end.end)], Double(count))
    }
    page.counts(
      "requests_refused_total", "Requests answered with an error, by its code.", by: "reason", counts.refusals,
      always: ["queue_full", "server_stopping", "invalid_api_key", "host_not_allowed", "origin_not_allowed"])
    page.single("sequences_in_flight", "gauge", "Sequences taken from clients and not ended.", inFlight)
    page.header(
      "engine_silence_seconds", "gauge", "For how long nothing has come from the engine while it has sequences.")
    page.sample("engine_silence_seconds", [], inFlight > 0 ? silence : 0)
    page.single("prompt_tokens_total", "counter", "Prompt tokens of sequences that have started.", counts.promptTokens)
    page.single("cached_prompt_tokens_total", "counter", "Of them, found in the prefix cache.", counts.cachedTokens)
    page.single("generated_tokens_total", "counter", "Tokens generated.", counts.generatedTokens)
    page.single("client_departures_total", "counter", "Clients that left too early.", counts.departures)
    page.single("slow_clients_total", "counter", "Clients that took too slowly.", counts.slowClients)
    page.single("engine_failures_total", "counter", "Sequences the engine gave up.", counts.engineFailures)
    page.histogram(
      "queue_seconds", "From a request's arrival until a sequence of it leaves the queue.", counts.queueTime)
    page.histogram("time_to_first_token_seconds", "From a request's arrival to its first token.", counts.firstToken)
    page.histogram("inter_token_seconds", "Between two tokens of a sequence.", counts.interToken)
    page.histogram("request_seconds", "From a request's arrival to its last token.", counts.wholeRequest)
  }

  private mutating func engine(_ engine: any TokenEngine, _ status: ClusterStatus) {
    let (state, isStalled) = (engine.state, engine.stall != nil)
    let present = state == .ready && isStalled ? "stalled" : state.name
    page.header("engine_state", "gauge", "1 for the state the engine is in.")
    for name in EngineState.names { page.sample("engine_state", [("state", name)], name == present ? 1 : 0) }
    page.single("engine_restarts_total", "counter", "Times the engine's job was started again.", engine.restartCount)
    let (stall, outage) = (
      engine.stall.map { ContinuousClock.now - $0.since }, engine.outageBegan.map { ContinuousClock.now - $0 }
    )
    page.single(
      "stall_seconds", "gauge", "How long the ranks have been held up in one place; 0 while they go on.",
      Int((stall ?? .zero).components.seconds))
    page.single(
      "outage_seconds", "gauge", "How long no job has served, under supervision; 0 while one does.",
      Int((outage ?? .zero).components.seconds))
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
    page.header(
      "drafts_total", "counter", "Tokens tried ahead since the job started, by place and whether they were right.")
    for (place, (drafted, accepted)) in zip(status.drafted, status.accepted).enumerated() {
      let label = ("place", String(place + 1))
      page.sample("drafts_total", [label, ("result", "accepted")], Double(accepted))
      page.sample("drafts_total", [label, ("result", "rejected")], Double(drafted - accepted))
    }
    page.header("speculation_steps_total", "counter", "Decode steps with and without drafts, where steps draft.")
    page.sample("speculation_steps_total", [("drafts", "with")], Double(status.draftingSteps))
    page.sample("speculation_steps_total", [("drafts", "without")], Double(status.restingSteps))
    page.header(
      "speculation_gain", "gauge", "Speed of steps with drafts over that without at the same load; 0 if not known.")
    page.sample("speculation_gain", [], status.speculationGain)
    page.single("expert_bytes_total", "counter", "Bytes of expert layers' messages.", status.bytesSent)
    page.single("expert_messages_total", "counter", "Messages of expert layers.", status.messagesSent)
    page.header(
      "busiest_rank_ratio", "gauge",
      "What the busiest rank had over the mean in each layer and step since the job started: visits, distinct experts.")
    page.sample("busiest_rank_ratio", [("of", "visits")], status.busiestVisits)
    page.sample("busiest_rank_ratio", [("of", "experts")], status.busiestExperts)
    page.single("rebalances_total", "counter", "Times that experts have changed places.", status.rebalances)
    page.single("experts_moved_total", "counter", "Experts sent to another rank.", status.expertsMoved)
    page.single("expert_replicas", "gauge", "Experts held beside their owners.", status.replicas)
  }

  private mutating func ranks(_ status: ClusterStatus) {
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
  static let names = ["loading", "ready", "stalled", "restarting", "failed", "stopped"]
}
