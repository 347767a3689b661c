import Checkpoints
import Inference
import JSON
import MoEModel
import Tensors
import Testing

/// The same weights stored in other forms give the same logits, bit for bit.
struct StoredFormsTests {
  private func logits(_ golden: Golden, _ model: String, weights: WeightPrecision = .auto, ranks: Int = 1) throws
    -> [[Float]]
  {
    var layout = Layout(ranks: ranks)
    layout.weights = weights
    return try run(
      model: model, scored: [try golden.scoredIDs(0)], prompts: [], newTokens: 1, layout: layout
    ).logits
  }

  static let withExperts = [
    "qwen3_moe", "qwen3_moe_bf16", "qwen2_moe", "olmoe", "mixtral", "glm4_moe", "deepseek_v3", "deepseek_v2_lite",
  ]

  @Test(arguments: withExperts) func fusedExpertsAreThoseStoredApart(name: String) throws {
    let golden = try Golden(name)
    var fused = try RewrittenCheckpoint(golden)
    if name == "mixtral" {
      fused.fuseExperts(gate: "w1", up: "w3", down: "w2")
      fused.rename(".block_sparse_moe.", to: ".mlp.")
    } else {
      fused.fuseExperts()
    }
    #expect(fused.tensors.keys.contains { $0.hasSuffix(".mlp.experts.gate_up_proj") })
    let apart = try logits(golden, golden.folder)
    for (weights, ranks) in [(WeightPrecision.auto, 1), (.auto, 2)] {
      #expect(try fused.written { try logits(golden, $0, weights: weights, ranks: ranks) } == apart)
    }
    let quantized = try logits(golden, golden.folder, weights: .q4)
    #expect(try fused.written { try logits(golden, $0, weights: .q4) } == quantized)
  }

  /// The golden with each scale reduced to what `type` can hold, as F32 and as `type`.
  private func pair(_ golden: Golden, _ type: ElementType, _ reduce: (Float) -> Float) throws -> [RewrittenCheckpoint] {
    try [ElementType.float32, type].map { type in
      var rewritten = try RewrittenCheckpoint(golden)
      rewritten.rescale { name, _, scales, shape in
        [("\(name)_scale_inv", .init(scales.map(reduce), shape, as: type))]
      }
      return rewritten
    }
  }

  @Test(arguments: [ElementType.bfloat16, .float16, .float8E8M0, .uint8])
  func scalesOfEveryTypeAreReadExactly(type: ElementType) throws {
    let golden = try Golden("deepseek_v3_fp8")
    let forms = try pair(golden, type) { scale in
      switch type {
      case .bfloat16: Float(bitPattern: scale.bitPattern & 0xFFFF_0000)
      case .float16: Float(Float16(scale))
      default: Float(bitPattern: scale.bitPattern & 0x7F80_0000)
      }
    }
    let expected = try forms[0].written { try logits(golden, $0) }
    #expect(expected[0].allSatisfy { $0.isFinite })
    #expect(try forms[1].written { try logits(golden, $0) } == expected)
  }

  /// Every block's scale written for each block of a finer grid; the block is what the grid says, whatever the
  /// configuration does.
  @Test(arguments: [(64, 64), (8, 128), (128, 32), (1, 64), (16, 16)])
  func aFinerGridOfTheSameScalesChangesNothing(rows: Int, columns: Int) throws {
    let golden = try Golden("deepseek_v3_fp8")
    var fine = try RewrittenCheckpoint(golden)
    fine.rescale { name, weights, scales, shape in
      let grid = [(weights.shape[0] + rows - 1) / rows, (weights.shape[1] + columns - 1) / columns]
      let values = (0..<(grid[0] * grid[1])).map { index in
        scales[index / grid[1] * rows / 128 * shape[1] + index % grid[1] * columns / 128]
      }
      return [("\(name)_scale_inv", .init(values, grid, as: .float32))]
    }
    let quantization: JSONValue = [
      "quant_method": "fp8", "fmt": "float8_e4m3fn", "weight_block_size": [.int(rows), .int(columns)],
    ]
    fine.config["quantization_config"] = quantization
    let expected = try logits(golden, golden.folder)
    #expect(try fine.written { try logits(golden, $0) } == expected)
    #expect(try fine.written { try logits(golden, $0, weights: .q8) } == logits(golden, golden.folder, weights: .q8))
  }

  /// One scale for each output channel, or one for all, in each of the shapes and names in which they are published.
  @Test(arguments: ["[N]", "[N, 1]", "[]", "[1]"], ["_scale", "_scale_inv"])
  func scalesByChannelAndByTensorAreRead(shape: String, suffix: String) throws {
    let golden = try Golden("deepseek_v3_fp8")
    func form(_ make: (_ rows: Int, _ columns: Int, _ scale: Float) -> (String, [Float], [Int])) throws
      -> RewrittenCheckpoint
    {
      var rewritten = try RewrittenCheckpoint(golden)
      rewritten.rescale { name, weights, scales, _ in
        let (suffix, values, shape) = make(weights.shape[0], weights.shape[1], scales[0])
        return [(name + suffix, .init(values, shape, as: .float32))]
      }
      return rewritten
    }
    let blocks = try form { rows, columns, scale in
      let grid = [(rows + 127) / 128, (columns + 127) / 128]
      return ("_scale_inv", Array(repeating: scale, count: grid[0] * grid[1]), grid)
    }
    var other = try form { rows, _, scale in
      switch shape {
      case "[N]": (suffix, Array(repeating: scale, count: rows), [rows])
      case "[N, 1]": (suffix, Array(repeating: scale, count: rows), [rows, 1])
      case "[]": (suffix, [scale], [])
      default: (suffix, [scale], [1])
      }
    }
    let settings: JSONValue = [
      "quant_method": "compressed-tensors", "format": "float-quantized",
      "config_groups": ["group_0": ["weights": ["num_bits": 8, "type": "float", "strategy": "channel"]]],
    ]
    other.config["quantization_config"] = settings
    #expect(try other.written { try logits(golden, $0) } == blocks.written { try logits(golden, $0) })
  }

  @Test func scalesThatDoNotGoWithTheirTensorAreRefused() throws {
    let golden = try Golden("deepseek_v3_fp8")
    for (values, shape, type) in [
      ([Float](repeating: 1, count: 3), [3], ElementType.float32), ([Float](repeating: 1, count: 9), [3, 3], .float32),
      ([], [0], .float32), ([.nan], [1], .float32), ([.infinity], [1], .float32), ([.infinity], [1], .float8E8M0),
      ([1], [1], .int64),
    ] {
      var bad = try RewrittenCheckpoint(golden)
      let scales = "model.layers.1.self_attn.o_proj.weight_scale_inv"
      bad.tensors[scales] =
        type == .int64 ? .init(type, [1], [UInt8](repeating: 0, count: 8)) : .init(values, shape, as: type)
      let error = #expect(throws: (any Error).self) { try bad.written { try logits(golden, $0) } }
      #expect("\(error.map { "\($0)" } ?? "")".contains(scales), "\(shape) \(type)")
    }
  }

  @Test func aHeadOfItsOwnCountsInATiedModel() throws {
    let golden = try Golden("qwen3_moe")
    var tied = try RewrittenCheckpoint(golden)
    tied.config["tie_word_embeddings"] = true
    #expect(try tied.written { try logits(golden, $0) } == logits(golden, golden.folder))
    try tied.written {
      let model = try ModelConfiguration.read(try HuggingFaceFolder(path: $0))
      #expect(!model.tiedEmbeddings)
    }
    // A copy of the embedding is not held twice.
    tied.tensors["lm_head.weight"] = tied.tensors["model.embed_tokens.weight"]
    try tied.written {
      let model = try ModelConfiguration.read(try HuggingFaceFolder(path: $0))
      #expect(model.tiedEmbeddings && model.unreadNote == nil)
    }
    tied.tensors["lm_head.weight"] = nil
    #expect(try tied.written { try logits(golden, $0) } != logits(golden, golden.folder))
  }

  @Test func sinksOfMinusInfinityTakeNothing() throws {
    let golden = try Golden("gpt_oss")
    func sinks(_ value: Float) throws -> [[Float]] {
      var rewritten = try RewrittenCheckpoint(golden)
      for name in rewritten.tensors.keys where name.hasSuffix(".sinks") {
        rewritten.tensors[name] = .init([Float](repeating: value, count: 8), [8], as: .bfloat16)
      }
      return try rewritten.written { try logits(golden, $0) }
    }
    #expect(try sinks(-.infinity) == sinks(-1e30))
    for bad in [Float.infinity, .nan] { #expect(throws: (any Error).self) { try sinks(bad) } }
  }
}
