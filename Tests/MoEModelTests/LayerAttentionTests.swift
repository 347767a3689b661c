import Checkpoints
import Foundation
import Kernels
import MoEModel
import Testing

/// Kind and widths of attention are a layer's own.
struct LayerAttentionTests {
  private func description(_ golden: String) throws -> DecoderDescription {
    let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try ModelConfiguration.read(
      try CheckpointFormat.open(fixtures.appending(path: "Fixtures/goldens/\(golden)").path))
  }

  @Test func layersOfTwoKindsHaveTheirOwnParametersAndCache() throws {
    let latent = try description("deepseek_v3")
    var mixed = try description("qwen3_moe")
    let widths = (latent.layers[0].attention.cacheWidth, mixed.layers[0].attention.cacheWidth)
    try #require(widths.0 != widths.1 && mixed.layerCount > 1)
    mixed.layers[1].attention = latent.layers[0].attention
    let bytes = KeyValueCache.blockByteCount(mixed, type: .f32)
    #expect(bytes == (widths.0 + (mixed.layerCount - 1) * widths.1) * KeyValueCache.blockTokens * 4)
    let roles = (0..<2).map { layer in mixed.parameters(ofLayer: layer).map(\.role) }
    #expect(roles[0].contains(.key) && !roles[0].contains(.keyValueDown))
    #expect(!roles[1].contains(.key) && roles[1].contains(.keyValueDown))
  }

  @Test func anIndexersKeyHasItsPlaceInTheCache() throws {
    let plain = try description("deepseek_v3").layers[0].attention
    #expect(plain.indexWidth == 0)
    let model = try description("glm_moe_dsa")
    // Latent of 16, rotary key of 8, and a key of 16 where the layer has an indexer of its own.
    #expect(model.layers.map(\.attention.cacheWidth) == [40, 24, 40, 24, 24])
    #expect(KeyValueCache.blockByteCount(model, type: .bf16) == 152 * KeyValueCache.blockTokens * 2)
  }
}
