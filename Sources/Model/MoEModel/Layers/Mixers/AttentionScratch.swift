import Kernels
import Tensors

/// One worker's own memory in attention: the query rows of a kernel call, and a tile of the cache as fp32.
final class AttentionScratch {
  private let queries: AlignedBuffer<QueryRow>
  private let tile: AlignedBuffer<Float>
  private var count = 0

  /// For calls of up to `rows` query rows, over caches like `cache`.
  init(rows: Int, cache: CacheView) {
    queries = AlignedBuffer(count: rows)
    tile = AlignedBuffer(count: cache.scratchCount)
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
}
