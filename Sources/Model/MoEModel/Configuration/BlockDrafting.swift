import Checkpoints

/// How modules draft a block of tokens at once (DSpark, which comes with DeepSeek-V4-Flash-0731): a sequence's last
/// token and, in the places of those after it, a token that stands for noise go through a few layers together. Each of
/// them sees all the others, and what the modules make of the model's own hidden states at the tokens before. From
/// place to place what was guessed before shifts the logits, by a matrix of low rank.
package struct BlockDrafting: Sendable, Equatable {
  /// Places of a block, and as many guesses.
  package var blockSize: Int
  /// What stands in all places but the first.
  package var noiseToken: Int
  /// The layers of the model whose output the modules see, ascending.
  package var sources: [Int]
  /// Rank of the matrix from a token to what it adds to the logits of the next.
  package var transitionRank: Int
}

extension ConfigReader {
  /// Nil where the configuration does not speak of them, or not of all that counts.
  func blockDrafting() throws -> BlockDrafting? {
    let size = try optionalInt("dspark_block_size", in: 1...64)
    let noise = try optionalInt("dspark_noise_token_id", in: 0...Int(Int32.max))
    let sources = try optionalInts("dspark_target_layer_ids", in: 0...4096, maxCount: 64)
    let rank = try optionalInt("dspark_markov_rank", in: ConfigurationBounds.width)
    guard let size, let noise, let sources, let rank, !sources.isEmpty else { return nil }
    let vocabulary = try int("vocab_size", in: ConfigurationBounds.vocabulary)
    guard noise < vocabulary else {
      throw ModelError.inconsistent("dspark_noise_token_id = \(noise) is no token of the \(vocabulary) there are")
    }
    let layers = try layerCount()
    guard sources.allSatisfy({ $0 < layers }), zip(sources, sources.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw ModelError.inconsistent(
        """
        dspark_target_layer_ids = \(sources) must name layers from 0 to \(layers - 1), each once and in their order
        """
      )
    }
    return BlockDrafting(blockSize: size, noiseToken: noise, sources: sources, transitionRank: rank)
  }

  /// How many layers the modules have, which is told by ratios of layers past the last only.
  func blockDraftingLayers() throws -> Int {
    let ratios = try optionalInts("compress_ratios", in: 0...(1 << 20), maxCount: 4096) ?? []
    return min(max(ratios.count - (try layerCount()), 1), BlockDrafting.mostLayers)
  }
}

extension BlockDrafting {
  static let mostLayers = 64
}

extension DecoderDescription {
  /// How many of the modules that lie beside the model under these numbers draft blocks together: all of them, where
  /// the first has what joins it to the model; else none.
  func blockDraftingLayers(among numbers: Set<Int>, in checkpoint: any Checkpoint) -> Int {
    guard blockDrafting != nil, let first = names.outerModules?.firstLayer,
      (1...BlockDrafting.mostLayers).contains(numbers.count), numbers == Set(0..<numbers.count),
      checkpoint.holds(names.tensor(ParameterID(.prediction(.fusion), layer: first)))
    else { return 0 }
    return numbers.count
  }
}
