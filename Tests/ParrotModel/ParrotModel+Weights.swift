import Checkpoints
import Foundation
import Tensors
import TestSupport

extension ParrotModel {
  /// How sharply a position looks at the one it is to see.
  private static let sharpness: Float = 10

  func writeWeights(to path: String) throws {
    let (width, inner, size) = (Self.width, Self.innerWidth, vocabularySize)
    let layer = "model.layers.0."
    let embeddings = signs(size * width)
    let tensors: [(name: String, shape: [Int], values: [Float])] = [
      ("model.embed_tokens.weight", [size, width], embeddings),
      ("lm_head.weight", [size, width], embeddings.map { $0 / 2 }),
      ("model.norm.weight", [width], repeated(1, width)),
      (layer + "input_layernorm.weight", [width], repeated(1, width)),
      (layer + "post_attention_layernorm.weight", [width], repeated(1, width)),
      (layer + "self_attn.q_proj.weight", [width, width], repeated(0, width * width)),
      (layer + "self_attn.q_proj.bias", [width], query),
      (layer + "self_attn.k_proj.weight", [width, width], repeated(0, width * width)),
      (layer + "self_attn.k_proj.bias", [width], key),
      (layer + "self_attn.v_proj.weight", [width, width], identity(1)),
      (layer + "self_attn.v_proj.bias", [width], repeated(0, width)),
      (layer + "self_attn.o_proj.weight", [width, width], identity(Self.sharpness)),
      (layer + "mlp.gate_proj.weight", [inner, width], repeated(0, inner * width)),
      (layer + "mlp.up_proj.weight", [inner, width], repeated(0, inner * width)),
      (layer + "mlp.down_proj.weight", [width, inner], repeated(0, width * inner)),
    ]
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map { .init($0.name, .float32, $0.shape) }, metadata: [("format", "pt")])
    for tensor in tensors { try writer.append(tensor.name, tensor.values) }
    try writer.finish()
  }

  /// One head's angles come twice, for its two halves; both heads are the same.
  private var query: [Float] {
    let angles = (0..<Self.headWidth / 2).map {
      -Double(period - 1) * pow(10_000, -Double($0) / Double(Self.headWidth / 2))
    }
    let head = angles.map { Self.sharpness * Float(cos($0)) } + angles.map { Self.sharpness * Float(sin($0)) }
    return head + head
  }

  private var key: [Float] {
    let head = repeated(Self.sharpness, Self.headWidth / 2) + repeated(0, Self.headWidth / 2)
    return head + head
  }

  private func repeated(_ value: Float, _ count: Int) -> [Float] { Array(repeating: value, count: count) }

  private func identity(_ factor: Float) -> [Float] {
    (0..<Self.width * Self.width).map { $0 / Self.width == $0 % Self.width ? factor : 0 }
  }

  private func signs(_ count: Int) -> [Float] {
    var random = SeededGenerator(1)
    return (0..<count).map { _ in random.next() >> 63 == 0 ? -1 : 1 }
  }
}
