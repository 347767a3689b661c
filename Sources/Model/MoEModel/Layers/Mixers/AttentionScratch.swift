import Kernels
import Tensors

/// One worker's own memory in attention: the query rows of a kernel call, and a tile of the cache as fp32.
final class AttentionScratch {
  private let queries: AlignedBuffer<QueryRow>
  private let tile: AlignedBuffer<Float>
  private var count = 0

  /// For calls of up to `rows` query rows, over caches like `cache`; `chooses`: over chosen positions too.
  init(rows: Int, cache: CacheView, chooses: Bool = false) {
    queries = AlignedBuffer(count: rows)
    tile = AlignedBuffer(count: chooses ? cache.chosenScratchCount : cache.scratchCount)
  }

  func add(_ row: QueryRow) {
    queries.buffer[count] = row
    count += 1
  }

  /// Attends with the rows added since the last call.
  func attend(_ compute: Compute, _ cache: CacheView, scale: Float) {
    compute.attend(
      cache: cache, rows: UnsafeBufferPointer(start: queries.pointer, count: count), scale: scale, scratch: tile.pointer
    )
    count = 0
  }

  /// The same over chosen positions, which the rows' ranges count.
  func attend(_ compute: Compute, _ cache: CacheView, positions: UnsafePointer<UInt32>, scale: Float) {
    compute.attend(
      cache: cache, positions: positions, rows: UnsafeBufferPointer(start: queries.pointer, count: count), scale: scale,
      scratch: tile.pointer)
    count = 0
  }
}
