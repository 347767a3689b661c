import JSON
import MoEModel
import Testing

/// How long sequences may be where rotary scaling says more than `max_position_embeddings`.
struct ContextTests {
  /// The key left as it was, as Qwen's model cards have it; the key raised too; and scaling that extends nothing.
  @Test(arguments: [
    (#"{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#, 32768, 131_072),
    (#"{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#, 40960, 131_072),
    (#"{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#, 131_072, 131_072),
    (#"{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}"#, 262_144, 262_144),
    (#"{"type": "yarn", "factor": 4.0}"#, 32768, 131_072), (#"{"type": "yarn", "factor": 1.5}"#, 1001, 1501),
    (#"{"type": "linear", "factor": 2.0}"#, 4096, 8192), (#"{"type": "linear", "factor": 0.5}"#, 4096, 4096),
    (#"{"type": "yarn", "factor": 1e6}"#, 1 << 26, 1 << 26), (#"{"type": "default"}"#, 4096, 4096),
    (
      #"{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#,
      131_072, 131_072
    ),
  ]) func scalingExtendsTheContextByItsFactor(scaling: String, maximum: Int, context: Int) throws {
    for golden in ["qwen3", "qwen3_moe"] {
      let model = try Configuration(golden: golden).with("max_position_embeddings", "\(maximum)").with(
        "rope_scaling", scaling)
      #expect(try model.read().maximumPositions == context)
    }
  }
}
