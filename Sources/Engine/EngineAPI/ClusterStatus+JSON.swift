import JSON

extension ClusterStatus {
  package var json: JSONValue {
    [
      "time": .double(time), "ranks": .array(ranks.map(\.json)), "requests_waiting": .int(requestsWaiting),
      "requests_running": .int(requestsRunning), "requests_finished": .int(requestsFinished),
      "preemptions": .int(preemptions), "prompt_tokens": .int(promptTokens), "cached_tokens": .int(cachedTokens),
      "generated_tokens": .int(generatedTokens), "prefill_steps": .int(prefillSteps),
      "decode_steps": .int(decodeSteps), "prefill_seconds": .double(prefillSeconds),
      "decode_seconds": .double(decodeSeconds), "bytes_sent": .int(bytesSent), "messages_sent": .int(messagesSent),
      "drafted": .array(drafted.map { .int($0) }), "accepted": .array(accepted.map { .int($0) }),
      "drafting_steps": .int(draftingSteps), "resting_steps": .int(restingSteps),
      "speculation_gain": .double(speculationGain),
      "busiest_visits": .double(busiestVisits), "busiest_experts": .double(busiestExperts),
      "rebalances": .int(rebalances), "experts_moved": .int(expertsMoved), "replicas": .int(replicas),
      "is_rebalancing": .bool(isRebalancing), "rebalance_failure": .string(rebalanceFailure),
      "layers": .array(layers.map { .int($0) }), "visits": .array(visits.map { .array($0.map { .int($0) }) }),
    ]
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, of: "status")
    self.init()
    time = try fields.seconds(needed: "time")
    ranks = try fields.array(needed: "ranks", RankStatus.init(json:at:))
    requestsWaiting = try fields.integer(needed: "requests_waiting")
    requestsRunning = try fields.integer(needed: "requests_running")
    requestsFinished = try fields.integer(needed: "requests_finished")
    preemptions = try fields.integer(needed: "preemptions")
    promptTokens = try fields.integer(needed: "prompt_tokens")
    cachedTokens = try fields.integer(needed: "cached_tokens")
    generatedTokens = try fields.integer(needed: "generated_tokens")
    prefillSteps = try fields.integer(needed: "prefill_steps")
    decodeSteps = try fields.integer(needed: "decode_steps")
    prefillSeconds = try fields.seconds(needed: "prefill_seconds")
    decodeSeconds = try fields.seconds(needed: "decode_seconds")
    bytesSent = try fields.integer(needed: "bytes_sent")
    messagesSent = try fields.integer(needed: "messages_sent")
    drafted = try fields.array(needed: "drafted", MessageReader.count)
    accepted = try fields.array(needed: "accepted", MessageReader.count)
    guard accepted.count == drafted.count else {
      throw .outOfRange(
        field: "accepted", value: "of \(accepted.count) places", range: "of the \(drafted.count) in drafted")
    }
    draftingSteps = try fields.integer(needed: "drafting_steps")
    restingSteps = try fields.integer(needed: "resting_steps")
    speculationGain = try fields.seconds(needed: "speculation_gain")
    busiestVisits = try fields.seconds(needed: "busiest_visits")
    busiestExperts = try fields.seconds(needed: "busiest_experts")
    rebalances = try fields.integer(needed: "rebalances")
    expertsMoved = try fields.integer(needed: "experts_moved")
    replicas = try fields.integer(needed: "replicas")
    isRebalancing = try fields.bool(needed: "is_rebalancing")
    rebalanceFailure = try fields.string(needed: "rebalance_failure")
    layers = try fields.array(needed: "layers", MessageReader.count)
    visits = try fields.array(needed: "visits") { row, name throws(EngineAPIError) in
      try MessageReader.array(row, path: name, MessageReader.count)
    }
    // Readers walk both together.
    guard visits.count == layers.count else {
      throw .outOfRange(field: "visits", value: "of \(visits.count) layers", range: "of the \(layers.count) in layers")
    }
  }
}

extension ClusterStatus.RankStatus {
  var json: JSONValue {
    [
      "rank": .int(rank), "host": .string(host), "sequences": .int(sequences), "blocks_in_use": .int(blocksInUse),
      "blocks_cached": .int(blocksCached), "blocks": .int(blocks), "tokens": .int(tokens),
      "attention": .double(attention), "experts": .double(experts), "communication": .double(communication),
      "waiting": .double(waiting), "other": .double(other),
    ]
  }

  init(json: JSONValue, at name: String) throws(EngineAPIError) {
    let fields = try MessageReader(json, path: name)
    self.init()
    rank = try fields.integer(needed: "rank")
    host = try fields.string(needed: "host")
    sequences = try fields.integer(needed: "sequences")
    blocksInUse = try fields.integer(needed: "blocks_in_use")
    blocksCached = try fields.integer(needed: "blocks_cached")
    blocks = try fields.integer(needed: "blocks")
    tokens = try fields.integer(needed: "tokens")
    attention = try fields.seconds(needed: "attention")
    experts = try fields.seconds(needed: "experts")
    communication = try fields.seconds(needed: "communication")
    waiting = try fields.seconds(needed: "waiting")
    other = try fields.seconds(needed: "other")
  }
}
