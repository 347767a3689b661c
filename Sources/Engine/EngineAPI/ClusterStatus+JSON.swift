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
      "layers": .array(layers.map { .int($0) }), "visits": .array(visits.map { .array($0.map { .int($0) }) }),
    ]
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, at: "status")
    self.init()
    time = try fields.seconds("time")
    ranks = try fields.array("ranks", RankStatus.init(json:at:))
    requestsWaiting = try fields.int("requests_waiting")
    requestsRunning = try fields.int("requests_running")
    requestsFinished = try fields.int("requests_finished")
    preemptions = try fields.int("preemptions")
    promptTokens = try fields.int("prompt_tokens")
    cachedTokens = try fields.int("cached_tokens")
    generatedTokens = try fields.int("generated_tokens")
    prefillSteps = try fields.int("prefill_steps")
    decodeSteps = try fields.int("decode_steps")
    prefillSeconds = try fields.seconds("prefill_seconds")
    decodeSeconds = try fields.seconds("decode_seconds")
    bytesSent = try fields.int("bytes_sent")
    messagesSent = try fields.int("messages_sent")
    layers = try fields.array("layers", MessageReader.count)
    visits = try fields.array("visits") { row, name throws(EngineAPIError) in
      try MessageReader.array(row, name, MessageReader.count)
    }
    // Readers walk both together.
    guard visits.count == layers.count else {
      throw .outOfRange(
        field: "visits", value: "of \(visits.count) layers", range: "of the \(layers.count) in layers")
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
    let fields = try MessageReader(json, at: name, path: name + ".")
    self.init()
    rank = try fields.int("rank")
    host = try fields.string("host")
    sequences = try fields.int("sequences")
    blocksInUse = try fields.int("blocks_in_use")
    blocksCached = try fields.int("blocks_cached")
    blocks = try fields.int("blocks")
    tokens = try fields.int("tokens")
    attention = try fields.seconds("attention")
    experts = try fields.seconds("experts")
    communication = try fields.seconds("communication")
    waiting = try fields.seconds("waiting")
    other = try fields.seconds("other")
  }
}
