import Checkpoints
import ExpertParallelism
import JSON
import Machine
import MoEModel
import Tensors
import TestSupport

/// Random weights of a small model of MoE layers, written as a checkpoint and loaded from it.
///
/// Sizes are no multiples of a panel or a vector, so that edges are covered.
struct TinyMoE: Sendable {
  static let hiddenSize = 40
  static let intermediateSize = 24
  static let layerCount = 2

  let description: DecoderDescription
  private let weights: ModelWeights
  private let arenas: [NodeArena]

  var moe: MoEDescription { description.moe! }

  /// Weights divided among `threads` workers; the same numbers for every division.
  init(expertCount: Int, topK: Int, threads: Int, weights precision: WeightPrecision = .auto) throws {
    let folder = TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    try Self.writeCheckpoint(in: folder, expertCount: expertCount, topK: topK)
    let checkpoint = try HuggingFaceFolder(path: folder.path)
    description = try ModelConfiguration.read(try checkpoint.settings()).holding(precision)
    let pool = try WorkerPool(workerCount: threads)
    let budget = try WeightBudget.measure(description, checkpoint: checkpoint, workerCount: threads) { _, _ in true }
    (weights, arenas) = try WeightLoader.load(
      description, checkpoint: checkpoint, pool: pool, budget: budget, owns: { _, _ in true },
      sums: ReadSums(checkpoint),
      progress: { _ in })
  }

  func wire(sums: WireFormat.Sums = .float32) -> WireFormat {
    WireFormat(hiddenSize: Self.hiddenSize, tokens: weights.rowFormat, sums: sums)
  }

  /// The weights without the experts, by layer and number, that `holds` rejects.
  func weights(holding holds: (Int, Int) -> Bool) -> ModelWeights {
    var part = weights
    for layer in part.layers.indices {
      guard case .moe(var moe) = part.layers[layer].feedForward else { continue }
      for expert in moe.experts.indices where !holds(layer, expert) { moe.experts[expert] = nil }
      part.layers[layer].feedForward = .moe(moe)
    }
    return part
  }

  private static func writeCheckpoint(in folder: TemporaryFolder, expertCount: Int, topK: Int) throws {
    let config = """
      {"model_type": "qwen3_moe", "hidden_size": \(hiddenSize), "num_hidden_layers": \(layerCount), "vocab_size": 4,
       "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 16, "num_experts": \(expertCount),
       "num_experts_per_tok": \(topK), "moe_intermediate_size": \(intermediateSize)}
      """
    folder.write(config, as: "config.json")
    var shapes: [(String, [Int])] = [
      ("model.embed_tokens.weight", [4, hiddenSize]), ("lm_head.weight", [4, hiddenSize]),
      ("model.norm.weight", [hiddenSize]),
    ]
    for layer in 0..<layerCount {
      let prefix = "model.layers.\(layer)."
      shapes += [
        (prefix + "input_layernorm.weight", [hiddenSize]), (prefix + "post_attention_layernorm.weight", [hiddenSize]),
        (prefix + "self_attn.q_proj.weight", [8, hiddenSize]), (prefix + "self_attn.k_proj.weight", [8, hiddenSize]),
        (prefix + "self_attn.v_proj.weight", [8, hiddenSize]), (prefix + "self_attn.o_proj.weight", [hiddenSize, 8]),
        (prefix + "self_attn.q_norm.weight", [8]), (prefix + "self_attn.k_norm.weight", [8]),
        (prefix + "mlp.gate.weight", [expertCount, hiddenSize]),
      ]
      for expert in 0..<expertCount {
        shapes += [
          (prefix + "mlp.experts.\(expert).gate_proj.weight", [intermediateSize, hiddenSize]),
          (prefix + "mlp.experts.\(expert).up_proj.weight", [intermediateSize, hiddenSize]),
          (prefix + "mlp.experts.\(expert).down_proj.weight", [hiddenSize, intermediateSize]),
        ]
      }
    }
    let writer = try SafetensorsWriter(
      path: folder.file("model.safetensors"), tensors: shapes.map { .init($0.0, .float32, $0.1) })
    var generator = SeededGenerator(7)
    for (name, shape) in shapes {
      try writer.append(name, (0..<shape.reduce(1, *)).map { _ in generator.float() / 4 })
    }
    try writer.finish()
  }
}
