import Kernels
import Machine
import Tensors

/// The lightning indexer beside a layer's latent attention (`LightningIndexer`). Its stages are called by all workers
/// between those of the attention; each says what must have been waited for.
///
/// As the reference implementation it leaves out the Hadamard transform and the rounding to FP8 of the published
/// kernels: the one does not change products, the other only costs exactness.
final class Indexer {
  /// Of the key's norm, whatever the configuration's rms_norm_eps.
  private static let epsilon: Float = 1e-6

  private let shape: LightningIndexer
  private let weights: IndexerWeights
  private let cache: LayerCache
  private let rotary: RotaryAngles
  private let scratch: IndexerScratch
  private let compute: Compute
  private let slices: IndexerSlices?
  let chosen: ChosenPositions

  /// `slices`: how ranks share it out; then `weights` are this rank's rows.
  init(
    _ shape: LightningIndexer, _ weights: IndexerWeights, cache: LayerCache, rotary: RotaryAngles,
    scratch: IndexerScratch, chosen: ChosenPositions, slices: IndexerSlices? = nil, compute: Compute
  ) {
    self.slices = slices
    (self.shape, self.weights, self.cache, self.rotary) = (shape, weights, cache, rotary)
    (self.scratch, self.chosen, self.compute) = (scratch, chosen, compute)
  }

  /// By one thread, before the others.
  func begin(_ batch: DecoderBatch) {
    chosen.begin(batch)
    scratch.reserve(rows: batch.tokens.count, chooses: chooses)
  }

  /// The worker's share of all rows' keys and, where they are needed, weights of heads; from the layer's norm.
  func project(_ normed: Rows, rows: Int, worker: Int) {
    weights.key.multiply(compute, worker: worker, normed, into: (slices?.key).own(of: scratch.keys(rows)))
    guard chooses else { return }
    weights.headWeights.multiply(
      compute, worker: worker, normed, into: (slices?.headWeights).own(of: scratch.headWeights(rows)))
  }

  /// Notes what `project` has made, to be exchanged before `store`; by one worker.
  func noteProjections(rows: Int) {
    slices?.key.note(scratch.keys(rows))
    guard chooses else { return }
    slices?.headWeights.note(scratch.headWeights(rows))
  }

  /// Normalises and rotates one token's key and writes it to the cache, after `project`.
  func store(_ chunk: DecoderBatch.Chunk, position: Int, row: Int) {
    let key = scratch.keys(row + 1)[row]
    compute.layerNorm(
      key, count: shape.headDims, weight: weights.keyNorm.pointer, bias: weights.keyNormBias.pointer,
      epsilon: Self.epsilon, out: key)
    rotary.rotate(key, heads: 1, stride: shape.headDims, row: row, interleaved: shape.interleaved)
    cache.indexKeys(chunk.blocks).store(key, at: position)
  }

  /// The worker's share of queries, from the queries' latents after their norm.
  func projectQueries(_ latents: Rows, rows: Int, worker: Int) {
    guard chooses else { return }
    weights.query.multiply(compute, worker: worker, latents, into: (slices?.queries).own(of: scratch.queries(rows)))
  }

  /// Whether rows of the batch need a choice.
  var chooses: Bool { !chosen.isEmpty }

  /// Chooses positions for all rows that need it, after `store` and `projectQueries`, for which all workers have
  /// waited; each worker those of its share.
  func choose(worker: Int) {
    let pool = compute.pool
    slices?.gatherQueries(scratch, chosen, compute, worker: worker)
    // The factors on products and on the sum are one, on the weights.
    let factor = Float(1 / (Double(shape.headDims) * Double(shape.headCount)).squareRoot())
    for place in compute.share(of: chosen.rowCount, worker: worker) {
      let row = chosen[place].row
      let queries = scratch.queries(row + 1)[row]
      rotary.rotate(queries, heads: shape.headCount, stride: shape.headDims, row: row, interleaved: shape.interleaved)
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
      slices?.gatherScores(of: group, chosen, compute, worker: worker)
      chosen.choose(group, compute, worker: worker)
    }
  }

  /// The worker's share of the runs of positions of a group's rows, of those that are this rank's.
  private func score(_ group: Range<Int>, worker: Int) {
    let all = chosen.runCount(group)
    let own = slices?.runs(all) ?? 0..<all
    let share = compute.share(of: own.count, worker: worker)
    chosen.forEachPiece(group, runs: (own.lowerBound + share.lowerBound)..<(own.lowerBound + share.upperBound)) {
      row, positions in
      var begin = positions.lowerBound
      while begin < positions.upperBound {
        let end = min(begin + ChosenPositions.runLength, positions.upperBound)
        compute.indexScores(
          cache.indexKeys(row.blocks), queries: scratch.queries(row.row + 1)[row.row],
          weights: scratch.headWeights(row.row + 1)[row.row], heads: shape.headCount, positions: begin..<end,
          into: chosen.scores(of: row) + begin)
        begin = end
      }
    }
  }
}

/// Memory between an indexer's stages, for all layers.
final class IndexerScratch {
  private let keyRows: RowStorage<Float>
  private let queryRows: RowStorage<Float>
  private let headWeightRows: RowStorage<Float>

  init(_ shape: LightningIndexer) {
    keyRows = RowStorage(columns: shape.headDims)
    queryRows = RowStorage(columns: shape.headCount * shape.headDims)
    headWeightRows = RowStorage(columns: shape.headCount)
  }

  func reserve(rows: Int, chooses: Bool) {
    keyRows.reserve(rows: rows)
    guard chooses else { return }
    queryRows.reserve(rows: rows)
    headWeightRows.reserve(rows: rows)
  }

  /// `[rows, dims]`
  func keys(_ rows: Int) -> MatrixView<Float> { keyRows.view(rows: rows) }
  /// `[rows, heads · dims]`
  func queries(_ rows: Int) -> MatrixView<Float> { queryRows.view(rows: rows) }
  /// `[rows, heads]`
  func headWeights(_ rows: Int) -> MatrixView<Float> { headWeightRows.view(rows: rows) }
}
