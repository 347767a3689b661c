import JSON

extension EngineFacts {
  package var json: JSONValue {
    [
      "family": .string(family), "layer_count": .int(layerCount), "hidden_size": .int(hiddenSize),
      "expert_count": .int(expertCount), "experts_per_token": .int(expertsPerToken),
      "vocabulary_size": .int(vocabularySize), "maximum_positions": .int(maximumPositions),
      "rank_count": .int(rankCount), "threads_per_rank": .int(threadsPerRank),
      "instruction_set": .string(instructionSet), "cache_tokens": .int(cacheTokens), "sequences": .int(sequences),
      "batch_tokens": .int(batchTokens), "moves_experts": .bool(movesExperts),
    ]
  }

  package init(json: JSONValue) throws(EngineAPIError) {
    let fields = try MessageReader(json, of: "facts")
    self.init()
    family = try fields.string(needed: "family")
    layerCount = try fields.integer(needed: "layer_count")
    hiddenSize = try fields.integer(needed: "hidden_size")
    expertCount = try fields.integer(needed: "expert_count")
    expertsPerToken = try fields.integer(needed: "experts_per_token")
    // Token ids are of 32 bits.
    vocabularySize = try fields.integer(needed: "vocabulary_size", in: 0...Int(Int32.max))
    maximumPositions = try fields.integer(needed: "maximum_positions")
    rankCount = try fields.integer(needed: "rank_count")
    threadsPerRank = try fields.integer(needed: "threads_per_rank")
    instructionSet = try fields.string(needed: "instruction_set")
    cacheTokens = try fields.integer(needed: "cache_tokens")
    sequences = try fields.integer(needed: "sequences", in: 0...(1 << 24))
    batchTokens = try fields.integer(needed: "batch_tokens")
    movesExperts = try fields.bool(needed: "moves_experts")
  }
}
