import Kernels
import Machine
import Tensors

/// The indexer beside compressed attention: the lightning indexer (`Indexer`) over entries in the place of positions.
/// Its keys are entries of their own, and lie in blocks `[dims][entries]`.
final class EntryIndexer {
  private let shape: LightningIndexer
  private let weights: CompressedAttentionWeights.Index
  private let places: EntryPlaces
  private let cache: LayerCache
  private let rotaryDims: Int
  private let rotary: RotaryAngles
  private let scratch: EntryIndexScratch
  private let compute: Compute
  private var chosen: ChosenPositions { scratch.chosen }

  init(
    _ shape: LightningIndexer, _ weights: CompressedAttentionWeights.Index, places: EntryPlaces, cache: LayerCache,
    rotaryDims: Int, rotary: RotaryAngles, scratch: EntryIndexScratch, compute: Compute
  ) {
    (self.shape, self.weights, self.places, self.cache) = (shape, weights, places, cache)
    (self.rotaryDims, self.rotary, self.scratch, self.compute) = (rotaryDims, rotary, scratch, compute)
  }

  /// The worker's share of the weights of heads, where they are needed, from the layer's norm.
  func project(_ normed: Rows, rows: Int, worker: Int) {
    guard chooses else { return }
    weights.headWeights.multiply(compute, worker: worker, normed, into: scratch.headWeights(rows))
  }

  /// The worker's share of queries, from the queries' latents after their norm.
  func projectQueries(_ latents: Rows, rows: Int, worker: Int) {
    guard chooses else { return }
    weights.query.multiply(compute, worker: worker, latents, into: scratch.queries(rows))
  }

  /// Writes an entry's key, which is complete, to the cache.
  func store(_ key: UnsafePointer<Float>, of entry: Int, _ chunk: DecoderBatch.Chunk) {
    IndexKeyView(
      type: cache.type, blocks: chunk.blocks + places.block(ofEntry: entry), blockTokens: places.perBlock,
      offset: firstElement, dims: shape.headDims
    ).store(key, at: places.row(ofEntry: entry))
  }

  /// Where keys begin in a block: behind the entries themselves.
  private var firstElement: Int { cache.offset / cache.type.unitByteCount + cache.width * places.perBlock }

  /// Whether rows of the batch need a choice.
  var chooses: Bool { !chosen.isEmpty }

  /// Chooses entries for all rows that need it, when keys are stored and queries projected; each worker those of its
  /// share.
  func choose(worker: Int) {
    let pool = compute.pool
    // The factors on products and on the sum are one, on the weights.
    let factor = Float(1 / (Double(shape.headDims) * Double(shape.headCount)).squareRoot())
    for place in compute.share(of: chosen.rowCount, worker: worker) {
      let row = chosen[place].row
      let queries = scratch.queries(row + 1)[row]
      rotary.rotate(queries + shape.headDims - rotaryDims, heads: shape.headCount, stride: shape.headDims, row: row)
      let headWeights = scratch.headWeights(row + 1)[row]
      compute.scale(headWeights, by: factor, into: headWeights, count: shape.headCount)
    }
    pool.barrier(worker: worker)
    for index in 0..<chosen.groupCount {
      // A group's scores lie where those of the one before lay.
      if index > 0 { pool.barrier(worker: worker) }
      let group = chosen.group(index)
      score(group, worker: worker)
      pool.barrier(worker: worker)
      chosen.choose(group, compute, worker: worker)
    }
  }

  /// Scores of a group's rows, for the worker's share of the tiles of entries of each sequence: a tile is gathered once
  /// for all rows that see some of it.
  private func score(_ group: Range<Int>, worker: Int) {
    var first = group.lowerBound
    while first < group.upperBound {
      // A sequence's rows follow each other, and none sees less than the one before.
      var end = first + 1
      while end < group.upperBound, chosen[end].blocks == chosen[first].blocks { end += 1 }
      let (blocks, length) = (chosen[first].blocks, chosen[end - 1].length)
      let tiles = (length + Compute.indexTile - 1) / Compute.indexTile
      for tile in compute.share(of: tiles, worker: worker) {
        let begin = tile * Compute.indexTile
        gather(blocks, begin..<min(begin + Compute.indexTile, length), into: scratch.tiles[worker].pointer)
        for place in first..<end where chosen[place].length > begin {
          score(place, from: begin, worker: worker)
        }
      }
      first = end
    }
  }

  /// Scores of a row's entries of the tile from `begin` on that the worker has gathered.
  private func score(_ place: Int, from begin: Int, worker: Int) {
    let row = chosen[place]
    var tile: UnsafeRawPointer? = UnsafeRawPointer(scratch.tiles[worker].pointer)
    withUnsafePointer(to: &tile) { blocks in
      compute.indexScores(
        IndexKeyView(
          type: .f32, blocks: blocks, blockTokens: Compute.indexTile, offset: 0, dims: shape.headDims),
        queries: scratch.queries(row.row + 1)[row.row], weights: scratch.headWeights(row.row + 1)[row.row],
        heads: shape.headCount, positions: 0..<min(Compute.indexTile, row.length - begin),
        into: chosen.scores(of: row) + begin)
    }
  }

  /// Copies the keys of up to a tile of entries to `tile`, `[dims, tile]`, as fp32.
  private func gather(
    _ blocks: UnsafePointer<UnsafeRawPointer?>, _ entries: Range<Int>, into tile: UnsafeMutablePointer<Float>
  ) {
    var entry = entries.lowerBound
    while entry < entries.upperBound {
      let row = places.row(ofEntry: entry)
      let count = min(places.perBlock - row, entries.upperBound - entry)
      let out = tile + (entry - entries.lowerBound)
      guard let block = blocks[places.block(ofEntry: entry)] else { return }
      if cache.type == .f32 {
        let keys = block.assumingMemoryBound(to: Float.self) + firstElement + row
        for d in 0..<shape.headDims {
          (out + d * Compute.indexTile).update(from: keys + d * places.perBlock, count: count)
        }
      } else {
        let keys = block.assumingMemoryBound(to: UInt16.self) + firstElement + row
        for d in 0..<shape.headDims {
          for i in 0..<count {
            out[d * Compute.indexTile + i] = Float(bitPattern: UInt32(keys[d * places.perBlock + i]) << 16)
          }
        }
      }
      entry += count
    }
  }
}

/// Memory between the stages of an indexer of entries, for layers of one shape.
final class EntryIndexScratch {
  private let queryRows: RowStorage<Float>
  private let headWeightRows: RowStorage<Float>
  let chosen: ChosenPositions
  /// By worker, keys `[dims, tile]`.
  let tiles: [AlignedBuffer<Float>]

  init(_ shape: LightningIndexer, ratio: Int, workerCount: Int) {
    queryRows = RowStorage(columns: shape.headCount * shape.headDims)
    headWeightRows = RowStorage(columns: shape.headCount)
    chosen = ChosenPositions(topK: shape.topK, ratio: ratio)
    tiles = (0..<workerCount).map { _ in AlignedBuffer(count: shape.headDims * Compute.indexTile) }
  }

  /// Finds the rows of a batch that need a choice, and makes room for it.
  func begin(_ batch: DecoderBatch) {
    chosen.begin(batch)
    guard !chosen.isEmpty else { return }
    queryRows.reserve(rows: batch.tokens.count)
    headWeightRows.reserve(rows: batch.tokens.count)
  }

  /// `[rows, heads · dims]`
  func queries(_ rows: Int) -> MatrixView<Float> { queryRows.view(rows: rows) }
  /// `[rows, heads]`
  func headWeights(_ rows: Int) -> MatrixView<Float> { headWeightRows.view(rows: rows) }
}
