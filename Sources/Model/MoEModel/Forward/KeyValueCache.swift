import Kernels
import Tensors

/// One rank's attention cache: blocks of positions. Which block is whose is rank 0's to decide.
///
/// Memory is `[layer][block]`, so that one table of block addresses serves every layer. In a block, latent attention has
/// rows `[position][latent | rotary key]`; grouped attention has, one key head after another, its keys
/// `[position][dims]` and then its values: what is read together lies in one piece. Elements are fp32 or bf16.
package final class KeyValueCache {
  /// Positions in one block; a multiple of the attention kernel's tile.
  package static let blockTokens = 32

  package let type: CacheType
  /// Elements of one position.
  package let width: Int
  package let layerCount: Int
  package let blockCount: Int
  private let shape: AttentionDescription
  private let memory: ReservedMemory

  /// Bytes one block takes over all layers.
  package static func blockByteCount(_ description: DecoderDescription, type: CacheType) -> Int {
    blockTokens * description.attention.cacheWidth * description.layerCount * type.byteCount
  }

  package static func blockCount(tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }

  /// Reserves room for `blockCount` blocks; the kernel supplies memory as it is first used.
  package init(_ description: DecoderDescription, type: CacheType, blockCount: Int) throws {
    self.type = type
    shape = description.attention
    width = description.attention.cacheWidth
    layerCount = description.layerCount
    self.blockCount = max(blockCount, 1)
    memory = try ReservedMemory(byteCount: Self.blockByteCount(description, type: type) * self.blockCount)
  }

  /// The first byte of `block` in layer 0.
  package func address(ofBlock block: Int32) -> UnsafeMutableRawPointer {
    memory.base + Int(block) * Self.blockTokens * width * type.byteCount
  }

  /// Keys and values of one layer and key head (0 for latent attention) in the blocks at `blocks`.
  package func view(_ blocks: UnsafePointer<UnsafeRawPointer?>, layer: Int, keyHead: Int) -> CacheView {
    let base = layer * blockCount * Self.blockTokens * width
    switch shape {
    case .latent(let latent):
      return CacheView(
        type: type, blocks: blocks, blockTokens: Self.blockTokens, rowStride: width, keyOffset: base, valueOffset: base,
        keyDims: width, valueDims: latent.latentRank)
    case .grouped(let grouped):
      let dims = grouped.headDims
      let keys = base + 2 * keyHead * Self.blockTokens * dims
      return CacheView(
        type: type, blocks: blocks, blockTokens: Self.blockTokens, rowStride: dims, keyOffset: keys,
        valueOffset: keys + Self.blockTokens * dims, keyDims: dims, valueDims: dims)
    }
  }
}
