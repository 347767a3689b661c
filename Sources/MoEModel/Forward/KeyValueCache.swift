import Kernels
import Tensors

/// One rank's attention cache: blocks of positions, handed to sequences as they grow.
///
/// Memory is `[layer][block][position][width]` fp32, so that one table of block addresses serves every layer; for
/// latent attention a row is `[latent | rotary key]`, for grouped attention `[keys of all heads | values of all heads]`.
package final class KeyValueCache {
  /// Positions in one block; a multiple of the attention kernel's tile.
  package static let blockTokens = 32

  package let width: Int
  package let layerCount: Int
  package let blockCount: Int
  private let memory: ReservedMemory
  private var free: [Int32]

  /// Bytes one block takes over all layers.
  package static func blockByteCount(_ description: DecoderDescription) -> Int {
    blockTokens * description.attention.cacheWidth * description.layerCount * MemoryLayout<Float>.stride
  }

  package static func blockCount(tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }

  /// Reserves room for `blockCount` blocks; the kernel supplies memory as it is first used.
  package init(_ description: DecoderDescription, blockCount: Int) throws {
    width = description.attention.cacheWidth
    layerCount = description.layerCount
    self.blockCount = max(blockCount, 1)
    memory = try ReservedMemory(byteCount: Self.blockByteCount(description) * self.blockCount)
    free = (0..<Int32(self.blockCount)).reversed()
  }

  package var freeBlockCount: Int { free.count }

  /// A block of nobody's; nil when none is left.
  package func allocateBlock() -> Int32? { free.popLast() }
  package func freeBlocks(_ blocks: [Int32]) { free.append(contentsOf: blocks.reversed()) }

  private var blockStride: Int { Self.blockTokens * width }
  /// Floats from a row in one layer to the same row in the next.
  package var layerStride: Int { blockCount * blockStride }

  /// The first row of `block` in layer 0.
  package func address(ofBlock block: Int32) -> UnsafeMutablePointer<Float> {
    memory.base.assumingMemoryBound(to: Float.self) + Int(block) * blockStride
  }
}
