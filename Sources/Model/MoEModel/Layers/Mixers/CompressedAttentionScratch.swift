import Kernels
import Tensors

/// What one chunk of a batch has of entries and of its window.
struct EntryChunk: BitwiseCopyable {
  /// Entries that are complete before the chunk, and after it.
  let before: Int
  let after: Int
  /// Which of all means of the batch is that of the first entry between.
  let firstMean: Int
  /// Tokens before the chunk that its first token sees as they are.
  let earlier: Int
  /// Where those and the chunk's own begin among the batch's.
  let firstWindowRow: Int
  /// Where they begin in the chunk's view, behind its entries.
  let windowStart: Int
  /// Where the view's blocks begin among the batch's.
  let firstBlock: Int
}

/// Memory between the stages of compressed attention, for layers of one shape.
final class CompressedAttentionScratch {
  /// What one worker attends with.
  struct Worker {
    let attention: AttentionScratch
    /// What a token attends to: places in its chunk's view.
    let positions = GrowingList<UInt32>()
  }

  /// What a stage changes in its place, as it was before: for the backward pass.
  struct Kept {
    let queryLatent: RowStorage<Float>
    let query: RowStorage<Float>
    let key: RowStorage<Float>
  }

  private let shape: CompressedAttention
  private let type: CacheType
  /// `[rows, query's rank]`
  let queryLatent: RowStorage<Float>
  /// `[rows, heads · dims]`
  let query: RowStorage<Float>
  /// `[rows, dims]`
  let key: RowStorage<Float>
  /// `[rows, heads · dims]`: what heads attended.
  let values: RowStorage<Float>
  /// `[rows, groups · rank]`
  let low: RowStorage<Float>
  /// Nil where nothing is kept.
  let kept: Kept?
  private let windowRows: RowStorage<UInt8>
  private(set) var roundedQueryLatent: RowBuffer
  /// Of what each group attended, `[rows · groups, groupWidth]`.
  private(set) var roundedGroups: RowBuffer
  private(set) var roundedLow: RowBuffer
  let chunks = GrowingList<EntryChunk>()
  private let blocks = GrowingList<UnsafeRawPointer?>()
  private(set) var windowRowCount = 0
  let keyPool: EntryPoolScratch?
  let indexPool: EntryPoolScratch?
  let indexing: EntryIndexScratch?
  let workers: [Worker]
  let nextTask = TaskCounter()
  /// `[headDims]`, of a norm without a weight.
  let ones: AlignedBuffer<Float>

  /// `keeps`: all that the backward pass asks for is still there after a forward pass.
  init(
    _ shape: CompressedAttention, type: CacheType, rowFormat: RowFormat, workerCount: Int, keeps: Bool = false
  ) {
    (self.shape, self.type) = (shape, type)
    let lowWidth = shape.groupCount * shape.groupRank
    queryLatent = RowStorage(columns: shape.queryRank)
    query = RowStorage(columns: shape.queryWidth)
    key = RowStorage(columns: shape.headDims)
    values = RowStorage(columns: shape.queryWidth)
    low = RowStorage(columns: lowWidth)
    kept =
      keeps
      ? Kept(
        queryLatent: RowStorage(columns: shape.queryRank), query: RowStorage(columns: shape.queryWidth),
        key: RowStorage(columns: shape.headDims)) : nil
    windowRows = RowStorage(columns: shape.headDims * type.unitByteCount)
    roundedQueryLatent = RowBuffer(rowFormat, columns: shape.queryRank, rows: 0)
    roundedGroups = RowBuffer(rowFormat, columns: shape.groupWidth, rows: 0)
    roundedLow = RowBuffer(rowFormat, columns: lowWidth, rows: 0)
    keyPool = shape.keyPool.map { EntryPoolScratch($0) }
    indexPool = shape.indexPool.map { EntryPoolScratch($0) }
    indexing = shape.indexer.map { EntryIndexScratch($0, ratio: shape.ratio ?? 1, workerCount: workerCount) }
    ones = AlignedBuffer(Array(repeating: 1, count: shape.headDims))
    var none: UnsafeRawPointer?
    let view = Self.view(shape, type, blocks: &none)
    workers = (0..<workerCount).map { _ in
      Worker(attention: AttentionScratch(rows: shape.headCount, cache: view, chooses: true))
    }
  }

  /// Makes room for a batch and finds where its chunks have what they attend; by one thread, before the others.
  func begin(_ batch: DecoderBatch, _ cache: LayerCache) {
    let rows = batch.tokens.count
    queryLatent.reserve(rows: rows)
    query.reserve(rows: rows)
    key.reserve(rows: rows)
    values.reserve(rows: rows)
    low.reserve(rows: rows)
    if let kept { for storage in [kept.queryLatent, kept.query, kept.key] { storage.reserve(rows: rows) } }
    roundedQueryLatent = roundedQueryLatent.reserving(rows: rows)
    roundedGroups = roundedGroups.reserving(rows: rows * shape.groupCount)
    roundedLow = roundedLow.reserving(rows: rows)
    windowRowCount = batch.chunks.reduce(0) { $0 + earlier($1) + $1.count }
    windowRows.reserve(rows: windowRowCount)
    nextTask.reset()
    chunks.removeAll()
    blocks.removeAll()
    var (means, windowRow) = (0, 0)
    for chunk in batch.chunks {
      let places = add(chunk, cache, firstMean: means, firstWindowRow: windowRow)
      chunks.append(places)
      means += places.after - places.before
      windowRow += places.earlier + chunk.count
    }
    keyPool?.reserve(rows: rows, means: means)
    indexPool?.reserve(rows: rows, means: means)
    indexing?.begin(batch)
  }

  private func earlier(_ chunk: DecoderBatch.Chunk) -> Int {
    min(shape.seesBlock ? shape.window : shape.window - 1, chunk.startPosition)
  }

  /// Lists the blocks of a chunk's view: those of the cache that hold its entries, and those of its window.
  private func add(
    _ chunk: DecoderBatch.Chunk, _ cache: LayerCache, firstMean: Int, firstWindowRow: Int
  ) -> EntryChunk {
    let (firstBlock, perBlock) = (blocks.count, Self.rowsPerBlock(shape))
    let ratio = shape.ratio ?? Int.max
    let after = shape.ratio == nil ? 0 : (chunk.startPosition + chunk.count) / ratio
    let entryBlocks = (after + perBlock - 1) / perBlock
    if let ratio = shape.ratio {
      let places = EntryPlaces(ratio: ratio, blockTokens: KeyValueCache.blockTokens)
      for block in 0..<entryBlocks {
        blocks.append(
          chunk.blocks[places.block(ofEntry: block * perBlock)].map { $0 + cache.offset })
      }
    }
    let rowBytes = windowRows.columns
    let window = windowRows.view(rows: windowRowCount).start + firstWindowRow * rowBytes
    let windowBlocks = (earlier(chunk) + chunk.count + perBlock - 1) / perBlock
    for block in 0..<windowBlocks { blocks.append(UnsafeRawPointer(window + block * perBlock * rowBytes)) }
    return EntryChunk(
      before: shape.ratio == nil ? 0 : chunk.startPosition / ratio, after: after, firstMean: firstMean,
      earlier: earlier(chunk), firstWindowRow: firstWindowRow, windowStart: entryBlocks * perBlock,
      firstBlock: firstBlock)
  }

  /// A chunk's entries from place 0 on, and its window's tokens from `windowStart` on.
  func view(_ chunk: EntryChunk) -> CacheView {
    Self.view(shape, type, blocks: UnsafePointer(blocks.elements + chunk.firstBlock))
  }

  private static func view(
    _ shape: CompressedAttention, _ type: CacheType, blocks: UnsafePointer<UnsafeRawPointer?>
  ) -> CacheView {
    CacheView(
      type: type, blocks: blocks, blockTokens: rowsPerBlock(shape), rowStride: shape.headDims, keyOffset: 0,
      valueOffset: 0, keyDims: shape.headDims, valueDims: shape.headDims)
  }

  private static func rowsPerBlock(_ shape: CompressedAttention) -> Int {
    let tokens = KeyValueCache.blockTokens
    return shape.ratio.map { EntryPlaces(ratio: $0, blockTokens: tokens).perBlock } ?? tokens
  }

}
