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
    let widths = (latent.layers[0].attention.rowWidth, mixed.layers[0].attention.rowWidth)
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
    #expect(model.layers.map { $0.attention.rowWidth + $0.attention.indexWidth } == [40, 24, 40, 24, 24])
    #expect(KeyValueCache.blockByteCount(model, type: .bf16) == 152 * KeyValueCache.blockTokens * 2)
    // Levels fill a group of 32, which has a scale; the indexer's keys are bf16.
    #expect(model.layers.map { $0.attention.cacheByteCount(.q8, positions: 1) } == [34 + 32, 34, 34 + 32, 34, 34])
    #expect(KeyValueCache.blockByteCount(model, type: .q8) == (5 * 34 + 2 * 32) * KeyValueCache.blockTokens)
  }

  @Test func aBytePerNumberAndTwoPerGroupOfThem() throws {
    let latent = try description("deepseek_v3").layers[0].attention
    let grouped = try description("qwen3_moe").layers[0].attention
    guard case .latent(let first) = latent, case .grouped(let second) = grouped else { throw WrongAttention() }
    #expect(latent.cacheByteCount(.q8, positions: 1) == (first.rowWidth + 31) / 32 * 34)
    #expect(
      grouped.cacheByteCount(.q8, positions: 1) == 2 * second.keyValueHeadCount * ((second.headDims + 31) / 32 * 34))
    for type in [CacheType.f32, .bf16] {
      #expect(grouped.cacheByteCount(type, positions: 1) == grouped.rowWidth * type.unitByteCount)
      #expect(latent.cacheByteCount(type, positions: 1) == latent.rowWidth * type.unitByteCount)
    }
  }
}
