import JSON

extension EngineFacts {
  package var json: JSONValue {
    [
      "family": .string(family), "layer_count": .int(layerCount), "hidden_size": .int(hiddenSize),
      "expert_count": .int(expertCount), "experts_per_token": .int(expertsPerToken),
      "vocabulary_size": .int(vocabularySize), "maximum_positions": .int(maximumPositions),
      "rank_count": .int(rankCount), "threads_per_rank": .int(threadsPerRank),
      "instruction_set": .string(instructionSet), "cache_tokens": .int(cacheTokens), "sequences": .int(sequences),
      "batch_tokens": .int(batchTokens),
    ]
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, at: "facts")
    self.init()
    family = try fields.string("family")
    layerCount = try fields.int("layer_count")
    hiddenSize = try fields.int("hidden_size")
    expertCount = try fields.int("expert_count")
    expertsPerToken = try fields.int("experts_per_token")
    // Token ids are of 32 bits.
    vocabularySize = try fields.int("vocabulary_size", in: 0...Int(Int32.max))
    maximumPositions = try fields.int("maximum_positions")
    rankCount = try fields.int("rank_count")
    threadsPerRank = try fields.int("threads_per_rank")
    instructionSet = try fields.string("instruction_set")
    cacheTokens = try fields.int("cache_tokens")
    sequences = try fields.int("sequences", in: 0...(1 << 24))
    batchTokens = try fields.int("batch_tokens")
  }
}
