import Kernels
import Machine
import Tensors

/// Compressed attention (`CompressedAttention`). A token attends to the entries before it, all or those that an indexer
/// chooses, and to the tokens of its window, in this order; each is key and value of all heads. What turned with a
/// position is turned back afterwards by that of the token, so that it is told by how far away it was.
///
/// What a sequence keeps beside its entries is its state (`CompressedAttention.stateCount`). A step copies the window
/// before a chunk and the chunk's own keys side by side, so that tokens of a chunk find in the window what they would
/// find one by one, and folds tokens into entries one after another.
final class CompressedAttentionLayer: SequenceMixer {
  private let reading: StreamReading
  let shape: CompressedAttention
  let weights: CompressedAttentionWeights
  private let cache: LayerCache
  private let state: LayerState
  let scale: Float
  /// Of all norms.
  private let epsilon: Float
  let rotary: RotaryAngles
  let scratch: CompressedAttentionScratch
  private let keyPool: EntryPool?
  private let indexPool: EntryPool?
  private let indexer: EntryIndexer?
  private let input: RowStorage<Float>?
  let compute: Compute

  /// `input`: where the layer's input is kept.
  init(
    reading: StreamReading, _ shape: CompressedAttention, _ weights: CompressedAttentionWeights, cache: LayerCache,
    state: LayerState, scale: Float, epsilon: Float, rotary: RotaryAngles, scratch: CompressedAttentionScratch,
    input: RowStorage<Float>? = nil, compute: Compute
  ) {
    (self.reading, self.shape, self.weights, self.cache) = (reading, shape, weights, cache)
    (self.state, self.scale, self.epsilon, self.rotary) = (state, scale, epsilon, rotary)
    (self.scratch, self.input, self.compute) = (scratch, input, compute)
    // The window's keys, then sums of entries, then those of the indexer's keys.
    let afterWindow = LayerState(offset: state.offset + shape.window * shape.headDims)
    func pool(
      _ pool: CompressedAttention.Pool?, _ weights: CompressedAttentionWeights.Pool?, _ state: LayerState,
      _ own: EntryPoolScratch?
    ) -> EntryPool? {
      guard let pool, let weights, let own else { return nil }
      return EntryPool(
        pool, weights, state: state, rotaryDims: shape.rotaryDims, epsilon: epsilon, rotary: rotary, scratch: own,
        compute: compute)
    }
    keyPool = pool(shape.keyPool, weights.pool, afterWindow, scratch.keyPool)
    let afterEntries = LayerState(offset: afterWindow.offset + (shape.keyPool?.stateCount ?? 0))
    indexPool = pool(shape.indexPool, weights.index?.pool, afterEntries, scratch.indexPool)
    if let index = weights.index, let own = shape.indexer, let ratio = shape.ratio, let room = scratch.indexing {
      indexer = EntryIndexer(
        own, index, places: EntryPlaces(ratio: ratio, blockTokens: KeyValueCache.blockTokens), cache: cache,
        rotaryDims: shape.rotaryDims, rotary: rotary, scratch: room, compute: compute)
    } else {
      indexer = nil
    }
  }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let rows = pass.rowCount
    guard rows > 0 else { return }
    let (batch, pool) = (pass.batch, compute.pool)
    scratch.begin(batch, cache)
    input?.reserve(rows: rows)
    let parts = headParts(rows: rows)
    pool.run { worker in
      stream.norm(reading, keeping: input, worker: worker)
      pool.barrier(worker: worker)
      project(stream.normed, rows: rows, worker: worker)
      pool.barrier(worker: worker)
      for row in compute.share(of: rows, worker: worker) { prepare(row: row) }
      keyPool?.join(batch, scratch.chunks, worker: worker)
      indexPool?.join(batch, scratch.chunks, worker: worker)
      pool.barrier(worker: worker)
      widen(rows: rows, worker: worker)
      fillWindows(batch, worker: worker)
      store(batch, worker: worker)
      pool.barrier(worker: worker)
      prepareQueries(rows: rows, worker: worker)
      if !shape.seesBlock {
        for chunk in compute.share(of: batch.chunks.count, worker: worker) { keepWindow(batch, chunk) }
      }
      pool.barrier(worker: worker)
      if let indexer, indexer.chooses {
        indexer.choose(worker: worker)
        pool.barrier(worker: worker)
      }
      attend(batch, rows: rows, parts: parts, worker: worker)
      pool.barrier(worker: worker)
      contract(into: stream.update, rows: rows, worker: worker)
      stream.addUpdate(reading, worker: worker)
    }
  }

  /// Puts into states, those of snapshots too, the keys by which tokens of later blocks see a batch's tokens: of `x`,
  /// `[rows, hidden]`, in the place of the layer's own input.
  func read(_ x: Rows, _ batch: DecoderBatch) {
    let (rows, pool) = (batch.tokens.count, compute.pool)
    guard rows > 0 else { return }
    scratch.key.reserve(rows: rows)
    pool.run { worker in
      weights.key.multiply(compute, worker: worker, x, into: scratch.key(rows))
      pool.barrier(worker: worker)
      for row in compute.share(of: rows, worker: worker) { prepareKey(row: row) }
      pool.barrier(worker: worker)
      for chunk in compute.share(of: batch.chunks.count, worker: worker) { keepWindow(batch, chunk) }
    }
  }

  func tape(rows: Int) -> MixerTape? {
    guard let input, let kept = scratch.kept else { return nil }
    let entries = scratch.keyPool.map { pool in
      EntryTape(
        values: pool.values(rows), gates: pool.gates(rows), keys: pool.means(rows > 0 ? pool.meanCount : 0))
    }
    return .compressed(
      CompressedAttentionTape(
        input: input.view(rows: rows), rawQueryLatent: kept.queryLatent(rows), queryLatent: scratch.queryLatent(rows),
        rawQuery: kept.query(rows), query: scratch.query(rows), rawKey: kept.key(rows), key: scratch.key(rows),
        values: scratch.values(rows), low: scratch.low(rows), entries: entries))
  }

  private func project(_ x: Rows, rows: Int, worker: Int) {
    weights.queryDown.multiply(compute, worker: worker, x, into: scratch.queryLatent(rows))
    weights.key.multiply(compute, worker: worker, x, into: scratch.key(rows))
    keyPool?.project(x, rows: rows, worker: worker)
    indexPool?.project(x, rows: rows, worker: worker)
    indexer?.project(x, rows: rows, worker: worker)
  }

  /// Norms of a row's latent and of its key, which is turned.
  private func prepare(row: Int) {
    let latent = scratch.queryLatent(row + 1)[row]
    if let kept = scratch.kept {
      kept.queryLatent(row + 1)[row].update(from: latent, count: shape.queryRank)
      kept.key(row + 1)[row].update(from: scratch.key(row + 1)[row], count: shape.headDims)
    }
    normalize(latent, count: shape.queryRank, weights.queryNorm)
    scratch.roundedQueryLatent.round(compute, row: row, latent)
    prepareKey(row: row)
  }

  private func prepareKey(row: Int) {
    let key = scratch.key(row + 1)[row]
    normalize(key, count: shape.headDims, weights.keyNorm)
    rotary.rotate(key + shape.headDims - shape.rotaryDims, heads: 1, stride: shape.headDims, row: row)
  }

  private func widen(rows: Int, worker: Int) {
    let latents = scratch.roundedQueryLatent.rows(of: scratch.queryLatent(rows))
    weights.queryUp.multiply(compute, worker: worker, latents, into: scratch.query(rows))
    indexer?.projectQueries(latents, rows: rows, worker: worker)
  }

  /// Brings heads of queries to a length of one, times the root of their dimensions, and turns them.
  private func prepareQueries(rows: Int, worker: Int) {
    let (query, heads, dims) = (scratch.query(rows), shape.headCount, shape.headDims)
    for piece in compute.share(of: rows * heads, worker: worker) {
      let (row, head) = piece.quotientAndRemainder(dividingBy: heads)
      let own = query[row] + head * dims
      if let kept = scratch.kept { (kept.query(rows)[row] + head * dims).update(from: own, count: dims) }
      normalize(own, count: dims, scratch.ones)
      rotary.rotate(own + dims - shape.rotaryDims, heads: 1, stride: dims, row: row)
    }
  }

  private func normalize(_ x: UnsafeMutablePointer<Float>, count: Int, _ weight: AlignedBuffer<Float>) {
    compute.rmsNorm(
      x, stride: count, rows: 1, count: count, weight: weight.pointer, epsilon: epsilon, out: x, outStride: count)
  }

  /// Writes complete entries to the cache.
  private func store(_ batch: DecoderBatch, worker: Int) {
    keyPool?.finish(batch, scratch.chunks, worker: worker) { _, places, entry, key in
      scratch.view(places).storeKey(key, at: entry)
    }
    indexPool?.finish(batch, scratch.chunks, worker: worker) { chunk, _, entry, key in
      indexer?.store(key, of: entry, chunk)
    }
  }

  /// Copies what tokens see of their windows to where it lies side by side, rounded as the cache is.
  private func fillWindows(_ batch: DecoderBatch, worker: Int) {
    let share = compute.share(of: scratch.windowRowCount, worker: worker)
    let (dims, window) = (shape.headDims, shape.window)
    for (number, chunk) in batch.chunks.enumerated() {
      let places = scratch.chunks.elements[number]
      let own = places.firstWindowRow..<(places.firstWindowRow + places.earlier + chunk.count)
      let (view, ring) = (scratch.view(places), base(chunk.state))
      for row in max(
        share.lowerBound, own.lowerBound)..<max(share.lowerBound, own.lowerBound, min(share.upperBound, own.upperBound))
      {
        let i = row - own.lowerBound - places.earlier
        let key =
          i < 0
          ? ring + (chunk.startPosition + i) % window * dims : scratch.key(chunk.firstRow + i + 1)[chunk.firstRow + i]
        view.storeKey(key, at: places.windowStart + row - own.lowerBound)
      }
    }
  }

  /// Puts the chunk's latest keys into the state's window, and into those of snapshots before that.
  private func keepWindow(_ batch: DecoderBatch, _ number: Int) {
    let chunk = batch.chunks[number]
    let ring = base(chunk.state)
    for snapshot in batch.snapshots where snapshot.chunk == number {
      let copy = state.base(snapshot.state)
      copy.update(from: ring, count: shape.window * shape.headDims)
      keepWindow(chunk, count: snapshot.count, in: copy)
    }
    keepWindow(chunk, count: chunk.count, in: ring)
  }

  private func keepWindow(_ chunk: DecoderBatch.Chunk, count: Int, in ring: UnsafeMutablePointer<Float>) {
    for i in max(0, count - shape.window)..<count {
      let key = scratch.key(chunk.firstRow + i + 1)[chunk.firstRow + i]
      (ring + (chunk.startPosition + i) % shape.window * shape.headDims).update(from: key, count: shape.headDims)
    }
  }

  private func base(_ slot: UnsafeMutablePointer<Float>?) -> UnsafeMutablePointer<Float> {
    guard let slot else { preconditionFailure("a sequence without a state in a model that keeps one") }
    return state.base(slot)
  }
}
