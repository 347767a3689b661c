import Checkpoints
import JSON
import Telemetry
import Testing

@testable import MoEModel

/// What ranks exchange where they share out a model.
struct RowExchangeTests {
  private let deepSeek = """
    {"model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "first_k_dense_replace": 3,
     "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256, "num_experts_per_tok": 8,
     "n_shared_experts": 1, "n_group": 8, "topk_group": 4, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
     "scoring_func": "sigmoid", "topk_method": "noaux_tc", "num_attention_heads": 128, "num_key_value_heads": 128,
     "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
     "vocab_size": 129280, "max_position_embeddings": 4096, "rope_theta": 10000, "rms_norm_eps": 1e-06,
     "hidden_act": "silu", "num_nextn_predict_layers": 1}
    """

  private func work(_ weights: WeightPrecision = .q8) throws -> ModelWork {
    let json = try JSONValue(parsing: deepSeek)
    return try ModelConfiguration.read(try ConfigReader(json, path: "config.json")).holding(weights).work
  }

  @Test func aLayerOfDeepSeekHasFiveExchanges() throws {
    let exchanges = try work().exchanges
    func count(_ stage: RowExchange.Stage) -> Int { exchanges.filter { $0.stage == stage }.reduce(0) { $0 + $1.count } }
    for stage in [RowExchange.Stage.latents, .values, .attentionOutput] { #expect(count(stage) == 61) }
    #expect(
      count(.denseInner) == 3 && count(.denseOutput) == 3 && count(.expertInner) == 58 && count(.expertOutput) == 58)
    #expect(count(.embedding) == 1 && count(.logits) == 1 && count(.queries) == 0)
    #expect(exchanges.filter { !$0.isWithinHost }.reduce(0) { $0 + $1.count } == 61 * 5 + 2)
    // Routers' logits, which hosts do not tell each other.
    #expect(exchanges.filter(\.isWithinHost).map(\.stage) == [.router] && count(.router) == 58)
    func bytes(_ stage: RowExchange.Stage, _ ranks: Int) throws -> Double {
      try #require(exchanges.first { $0.stage == stage }).byteCounts(ranks: ranks).all
    }
    // A byte for each number, and eight for each 64; what is added to the stream stays fp32.
    #expect(try bytes(.values, 4) == 16384 * 1.125 && bytes(.attentionOutput, 4) == 7168 * 4)
    #expect(try bytes(.expertInner, 16) == (8 * 2048 + 2048) * 1.125 && bytes(.latents, 8) == (1536 + 576) * 4)
    // What experts make, the shared one's added.
    #expect(try bytes(.expertOutput, 4) == 7168 * 4)
    // Three ranks divide heads of 128 at multiples of 64.
    #expect(try bytes(.values, 3) == 16384 * 1.125)
    #expect(try work(.f32).exchanges.first { $0.stage == .values }?.byteCounts(ranks: 4).all == 16384 * 4)
  }

  /// 176 columns are blocks of 64, 64 and 48: three ranks send as much each where these share scales.
  @Test func columnsThatShareScalesTravelInWholeBlocks() {
    let rounded = RowExchange(.denseInner, count: 1, [.init(columns: 176, rows: 2, byteCount: 1.125)])
    #expect(rounded.byteCounts(ranks: 3) == (all: 2 * 3 * 72, most: 2 * 72))
    #expect(rounded.largestShare(ranks: 3) == 64.0 / 176)
    let half = RowExchange(.denseInner, count: 1, [.init(columns: 176, byteCount: 2)])
    #expect(half.byteCounts(ranks: 3) == (all: 176 * 2, most: 64 * 2))
    // Two ranks divide them at a multiple of 16, and send them in fp32.
    #expect(rounded.byteCounts(ranks: 2) == (all: 2 * 176 * 4, most: 2 * 96 * 4))
  }

  @Test func sharesAreThoseOfTheSlices() throws {
    let exchanges = try work().exchanges
    let values = try #require(exchanges.first { $0.stage == .values })
    for ranks in 1...9 {
      let most = (128 + ranks - 1) / ranks
      #expect(abs(values.largestShare(ranks: ranks) - Double(most) / 128) < 1e-12, "\(ranks)")
    }
    // A row is one rank's, whole.
    #expect(try #require(exchanges.first { $0.stage == .embedding }).largestShare(ranks: 4) == 1)
  }

  /// What hidden states meet, latents, and values: of DeepSeek-V3 15, 55 and 117 million parameters.
  @Test func partsOfAttentionAreThoseThatFollowAnExchange() throws {
    let work = try work()
    #expect(work.attentionEntry == 7168 * (1536 + 576) && work.attentionOutput == 128 * 128 * 7168)
    #expect(
      work.attention - work.attentionEntry - work.attentionOutput == 1536 * 128 * 192 + 512 * 128 * 256)
    // Reports of before do not tell.
    guard case .object(var object) = work.json else { return }
    (object["attention_entry"], object["attention_output"]) = (nil, nil)
    let read = try ModelWork(json: .object(object))
    #expect(read.attentionEntry == 0 && read.attention == work.attention)
    object["attention_entry"] = .int(-1)
    #expect(throws: MalformedAccount.self) { try ModelWork(json: .object(object)) }
  }

  /// Three modules that draft blocks together read one head, and what joins the first of them to three layers.
  @Test func modulesThatDraftTogetherMeetTheHeadOnce() throws {
    let json = try JSONValue(parsing: deepSeek)
    var description = try ModelConfiguration.read(try ConfigReader(json, path: "config.json"))
    #expect(description.work.moduleHeads == 0 && description.work.moduleInput == 0)
    let single = description.predicting().work
    #expect(single.modules == 1 && single.moduleHeads == 1 && single.moduleInput == 2 * 7168 * 7168)
    description.blockDrafting = BlockDrafting(blockSize: 5, noiseToken: 1, sources: [20, 40, 60], transitionRank: 256)
    description.predictionLayerCount = 3
    let together = description.predicting().work
    #expect(together.modules == 3 && together.moduleHeads == 1 && together.moduleInput == 3 * 7168 * 7168)
    #expect(try ModelWork(json: together.json) == together)
    // Reports of before do not tell; a size that nothing has does not end whoever reads it.
    guard case .object(var object) = single.json else { return }
    (object["module_heads"], object["module_input"]) = (nil, nil)
    #expect(try ModelWork(json: .object(object)) == single)
    object["hidden_size"] = .int(1 << 49)
    #expect(try ModelWork(json: .object(object)).moduleInput == (1 << 50) - 1)
    object["module_heads"] = .int(1 << 10)
    #expect(throws: MalformedAccount.self) { try ModelWork(json: .object(object)) }
  }

  @Test func reportsTellExchangesAsTheyAre() throws {
    let work = try work()
    let read = try ModelWork(json: work.json)
    #expect(read == work && !read.exchanges.isEmpty)
    guard case .object(var object) = work.json else { return }
    object["exchanges"] = [["stage": "gossip", "count": 1, "pieces": []]]
    #expect(throws: MalformedAccount.self) { try ModelWork(json: .object(object)) }
    let piece: JSONValue = [
      "columns": 100, "rows": 1, "bytes_per_column": 4, "heads": 3, "key_heads": 2, "whole": false,
    ]
    object["exchanges"] = [["stage": "values", "count": 1, "pieces": [piece]]]
    #expect(throws: MalformedAccount.self) { try ModelWork(json: .object(object)) }
  }
}
