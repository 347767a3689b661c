import Checkpoints
import Inference
import JSON
import Kernels
import Testing

/// Attention over the positions that an indexer chooses.
struct ChosenPositionsTests {
  private static let models = Golden.indexed

  @Test(arguments: models, [1, 3, 5])
  func outputsAgreeWithTheReferenceImplementationOnAnyRanks(model: String, ranks: Int) throws {
    try GoldenTests.compare(model, Layout(ranks: ranks))
  }

  @Test(arguments: models, [CacheType.f32, .bf16, .q8])
  func noInstructionSetChangesABit(model: String, cache: CacheType) throws {
    let golden = try Golden(model)
    func logits(_ isa: InstructionSet) throws -> [[Float]] {
      try scores(
        golden.folder, [try golden.scoredIDs(3)], Layout(threads: 2, batchTokens: 7, cacheType: cache, isa: isa))
    }
    let expected = try logits(.reference)
    for isa in InstructionSet.supported { #expect(bits(try logits(isa)) == bits(expected), "\(isa)") }
  }

  /// With room for every position the model is DeepSeek-V3, which has no indexer, in every bit.
  @Test func aChoiceOfEverythingIsAttentionOverAll() throws {
    let golden = try Golden("deepseek_v32")
    let ids = [try golden.scoredIDs(2), try golden.scoredIDs(3)]
    let dense = try dense(golden, ids)
    var all = try RewrittenCheckpoint(golden)
    all.config["index_topk"] = 4096
    #expect(bits(try all.written { try scores($0, ids, Layout(ranks: 2)) }) == bits(dense))
  }

  /// A token with at most as many positions as are chosen sees all of them; what comes later does not matter to it.
  @Test func tokensBeforeTheChoiceBeginsSeeEverything() throws {
    let golden = try Golden("deepseek_v32")
    let ids = [try golden.scoredIDs(3)]
    let vocabulary = 512
    let dense = try dense(golden, ids)[0]
    for topK in [1, 6, 31, 32, 33, 60] {
      var some = try RewrittenCheckpoint(golden)
      some.config["index_topk"] = .int(topK)
      let found = try some.written { try scores($0, ids, Layout(batchTokens: 5)) }[0]
      let count = topK * vocabulary
      #expect(bits([Array(found.prefix(count))]) == bits([Array(dense.prefix(count))]), "\(topK) positions")
      #expect(bits([Array(found.dropFirst(count))]) != bits([Array(dense.dropFirst(count))]), "\(topK) positions")
    }
  }

  /// Of equal scores the earlier positions are chosen: without weights of heads all are zero, and every token sees the
  /// same first positions, so that a token in between, which is not among them, matters to nobody after it.
  @Test(arguments: models) func ofEqualScoresTheEarlierPositionsAreChosen(model: String) throws {
    let golden = try Golden(model)
    var equal = try RewrittenCheckpoint(golden)
    for (name, tensor) in equal.tensors where name.hasSuffix("indexer.weights_proj.weight") {
      var tensor = tensor
      tensor.bytes = [UInt8](repeating: 0, count: tensor.bytes.count)
      equal.tensors[name] = tensor
    }
    let ids = try golden.scoredIDs(3)
    var other = ids
    other[20] = (other[20] + 7) % 500
    let kept = other
    let later = 21 * 512
    func tail(_ path: String) throws -> [[Float]] {
      try scores(path, [ids, kept], Layout(batchTokens: 11)).map { Array($0.dropFirst(later)) }
    }
    let found = try equal.written(tail)
    #expect(bits([found[0]]) == bits([found[1]]))
    let chosen = try tail(golden.folder)
    #expect(bits([chosen[0]]) != bits([chosen[1]]))
  }

  /// A layer that shares the choice of one before it has no use for an indexer of its own.
  @Test func anIndexerOfALayerThatSharesIsNotRead() throws {
    let golden = try Golden("glm_moe_dsa")
    let ids = [try golden.scoredIDs(2)]
    var more = try RewrittenCheckpoint(golden)
    for (name, tensor) in more.tensors where name.contains("layers.0.self_attn.indexer.") {
      more.tensors[name.replacing("layers.0.", with: "layers.1.")] = tensor
    }
    #expect(try more.written { bits(try scores($0, ids, Layout())) } == bits(scores(golden.folder, ids, Layout())))
    // Where the layer has one of its own, it is another model.
    more.config["indexer_types"] = ["full", "full", "full", "shared", "shared"]
    #expect(try more.written { bits(try scores($0, ids, Layout())) } != bits(scores(golden.folder, ids, Layout())))
  }

  @Test func aMissingIndexerIsNamed() throws {
    var less = try RewrittenCheckpoint(try Golden("deepseek_v32"))
    let name = "model.layers.1.self_attn.indexer.k_norm.bias"
    less.tensors[name] = nil
    let failure = try less.written { path in
      #expect(throws: (any Error).self) { try scores(path, [[1, 2]], Layout()) }
    }
    #expect("\(try #require(failure))".contains(name))
  }

  /// The same weights as DeepSeek-V3, without the indexer.
  private func dense(_ golden: Golden, _ ids: [[Int32]]) throws -> [[Float]] {
    var plain = try RewrittenCheckpoint(golden)
    plain.config["model_type"] = "deepseek_v3"
    for name in plain.tensors.keys where name.contains(".indexer.") { plain.tensors[name] = nil }
    return try plain.written { try scores($0, ids, Layout()) }
  }

  private func scores(_ path: String, _ ids: [[Int32]], _ layout: Layout) throws -> [[Float]] {
    try run(model: path, scored: ids, prompts: [], newTokens: 0, layout: layout).logits
  }

  private func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map(\.bitPattern) } }
}
