import Kernels
import Tensors

/// One rank's attention cache: blocks of positions. Which block is whose is rank 0's to decide.
///
/// Memory is `[block][layer]`, and each layer has a width of its own, so that one table of block addresses serves every
/// layer. Elements are fp32, bf16, or levels of a byte that share scales.
package final class KeyValueCache {
  /// Positions in one block; a multiple of the attention kernel's tile.
  package static let blockTokens = 32

  package let type: CacheType
  package let blockCount: Int
  private let layers: [LayerCache]
  private let blockByteCount: Int
  private let memory: ReservedMemory

  /// Bytes one block takes over all layers.
  package static func blockByteCount(_ description: DecoderDescription, type: CacheType) -> Int {
    description.ownAttentions.reduce(0) { $0 + $1.cacheByteCount(type, positions: blockTokens) }
  }

  /// Blocks that so many tokens take.
  package static func blockCount(tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }

  /// Reserves room for `blockCount` blocks; the kernel supplies memory as it is first used.
  package init(_ description: DecoderDescription, type: CacheType, blockCount: Int) throws {
    self.type = type
    var layers: [LayerCache] = []
    var offset = 0
    for attention in description.ownAttentions {
      layers.append(
        LayerCache(
          type: attention.cacheType(type), width: attention.rowWidth, indexWidth: attention.indexWidth, offset: offset))
      offset += attention.cacheByteCount(type, positions: Self.blockTokens)
    }
    self.layers = layers
    self.blockCount = max(blockCount, 1)
    blockByteCount = Self.blockByteCount(description, type: type)
    memory = try ReservedMemory(byteCount: blockByteCount * self.blockCount)
  }

  /// The first byte of a block.
  package func address(ofBlock block: Int32) -> UnsafeMutableRawPointer { memory.base + Int(block) * blockByteCount }

  /// Has block `other` begin as `block` does, in all layers: what is held of a position does not depend on later ones.
  /// Both must be blocks of this cache, and not the same.
  package func copy(_ block: Int32, to other: Int32) {
    address(ofBlock: other).copyMemory(from: address(ofBlock: block), byteCount: blockByteCount)
  }

  /// One layer's part of every block.
  func layer(_ index: Int) -> LayerCache { layers[index] }
}

/// One layer's part of the attention cache: in each block, `[positions, width]` from `offset` on, and then the keys of
/// its indexer, `[indexWidth, positions]`. Of a q8 cache, a block is a tile of levels and scales for each vector of a
/// position (`attention.h`), and the indexer's keys are bf16. Of compressed attention there are entries in the place of
/// positions (`EntryPlaces`).
struct LayerCache {
  let type: CacheType
  /// Elements of one position, and of its index key.
  let width: Int
  let indexWidth: Int
  /// Bytes from a block's start.
  let offset: Int

  /// Rows `[position][latent | rotary key]` in the blocks at `blocks`: a latent is key and value.
  func latents(_ blocks: UnsafePointer<UnsafeRawPointer?>, rank: Int) -> CacheView {
    let start = offset / type.unitByteCount
    return CacheView(
      type: type, blocks: blocks, blockTokens: KeyValueCache.blockTokens, rowStride: type.unitCount(width),
      keyOffset: start, valueOffset: start, keyDims: width, valueDims: rank)
  }

  /// The keys of the layer's indexer in the blocks at `blocks`.
  func indexKeys(_ blocks: UnsafePointer<UnsafeRawPointer?>) -> IndexKeyView {
    let (tokens, own) = (KeyValueCache.blockTokens, type.ofNumbers)
    return IndexKeyView(
      type: own, blocks: blocks, blockTokens: tokens,
      offset: (offset + type.byteCount(width) * tokens) / own.unitByteCount, dims: indexWidth)
  }

  /// One key head in the blocks at `blocks`: in each, one head after another, keys `[position][dims]` and then values,
  /// so that what is read together lies in one piece.
  func heads(_ blocks: UnsafePointer<UnsafeRawPointer?>, keyHead: Int, dims: Int) -> CacheView {
    let stride = type.unitCount(dims)
    let keys = offset / type.unitByteCount + 2 * keyHead * KeyValueCache.blockTokens * stride
    return CacheView(
      type: type, blocks: blocks, blockTokens: KeyValueCache.blockTokens, rowStride: stride, keyOffset: keys,
      valueOffset: keys + KeyValueCache.blockTokens * stride, keyDims: dims, valueDims: dims)
  }
}
