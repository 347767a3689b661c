import Kernels
import Tensors

/// One worker's own memory in attention: the query rows of a kernel call, and a tile of the cache as fp32.
final class AttentionScratch {
  private let queries: AlignedBuffer<QueryRow>
  private let tile: AlignedBuffer<Float>
  private var count = 0

  init(_ description: DecoderDescription, cache: KeyValueCache) {
    let rows =
      switch description.attention {
      case .latent(let latent): Decoder.latentTokenTile * latent.headCount
      case .grouped(let grouped): Decoder.groupedTokenTile * grouped.queriesPerKey
      }
    queries = AlignedBuffer(count: rows)
    var none: UnsafeRawPointer?
    tile = AlignedBuffer(count: cache.view(&none, layer: 0, keyHead: 0).scratchCount)
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
