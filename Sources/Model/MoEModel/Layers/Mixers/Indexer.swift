import Kernels
import Tensors

/// The lightning indexer beside a layer's latent attention (`LightningIndexer`). Its stages are called by all workers
/// between those of the attention; each says what must have been waited for.
///
/// As the reference implementation it leaves out the Hadamard transform and the rounding to FP8 of the published
/// kernels: the one does not change products, the other only costs exactness.
final class Indexer {
  /// Positions of one task of a worker: long enough to be worth taking, short enough to be shared when there is one
  /// token.
  private static let runLength = 32 * Compute.indexTile
  /// Of the key's norm, whatever the configuration's rms_norm_eps.
  private static let epsilon: Float = 1e-6

  private let shape: LightningIndexer
  private let weights: IndexerWeights
  private let cache: LayerCache
  private let rotary: RotaryAngles
  private let scratch: IndexerScratch
  private let compute: Compute
  let chosen: ChosenPositions

  init(
    _ shape: LightningIndexer, _ weights: IndexerWeights, cache: LayerCache, rotary: RotaryAngles,
    scratch: IndexerScratch, chosen: ChosenPositions, compute: Compute
  ) {
    (self.shape, self.weights, self.cache, self.rotary) = (shape, weights, cache, rotary)
    (self.scratch, self.chosen, self.compute) = (scratch, chosen, compute)
  }

  /// By one thread, before the others.
  func begin(_ batch: DecoderBatch) {
    chosen.begin(batch)
    scratch.reserve(rows: batch.tokens.count, chooses: !chosen.isEmpty)
  }

  /// The worker's share of all rows' keys and, where they are needed, weights of heads; from the layer's norm.
  func project(_ normed: Rows, rows: Int, worker: Int) {
    weights.key.multiply(compute, worker: worker, normed, into: scratch.keys(rows))
    guard !chosen.isEmpty else { return }
    weights.headWeights.multiply(compute, worker: worker, normed, into: scratch.headWeights(rows))
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
    guard !chosen.isEmpty else { return }
    weights.query.multiply(compute, worker: worker, latents, into: scratch.queries(rows))
  }

  /// Chooses positions for all rows that need it, after `store` and `projectQueries`. Ends with a barrier if there are
  /// any.
  func choose(worker: Int) {
    guard !chosen.isEmpty else { return }
    let pool = compute.pool
    // The factors on products and on the sum are one, on the weights.
    let factor = Float(1 / (Double(shape.headDims) * Double(shape.headCount)).squareRoot())
    let all = chosen.group(chosen.groupCount - 1).upperBound
    for place in compute.share(of: all, worker: worker) {
      let row = chosen[place].row
      let queries = scratch.queries(row + 1)[row]
      rotary.rotate(
        queries, heads: shape.headCount, stride: shape.headDims, row: row, interleaved: shape.interleaved)
      let headWeights = scratch.headWeights(row + 1)[row]
      compute.scale(headWeights, by: factor, into: headWeights, count: shape.headCount)
    }
    pool.barrier(worker: worker)
    for index in 0..<chosen.groupCount {
      let group = chosen.group(index)
      score(group, worker: worker)
      pool.barrier(worker: worker)
      for place in group where (place - group.lowerBound) % compute.workerCount == worker {
        let row = chosen[place]
        compute.chooseGreatest(
          chosen.scores(of: row), count: row.length, wanted: shape.topK, into: chosen.positions(place))
      }
      pool.barrier(worker: worker)
    }
  }

  /// The worker's share of the runs of positions of a group's rows.
  private func score(_ group: Range<Int>, worker: Int) {
    func runs(_ place: Int) -> Int { (chosen[place].length + Self.runLength - 1) / Self.runLength }
    let share = compute.share(of: group.reduce(0) { $0 + runs($1) }, worker: worker)
    var passed = 0
    for place in group where passed < share.upperBound {
      let (row, first, end) = (
        chosen[place], max(share.lowerBound, passed), min(share.upperBound, passed + runs(place))
      )
      for run in first..<max(first, end) {
        let begin = (run - passed) * Self.runLength
        compute.indexScores(
          cache.indexKeys(row.blocks), queries: scratch.queries(row.row + 1)[row.row],
          weights: scratch.headWeights(row.row + 1)[row.row], heads: shape.headCount,
          positions: begin..<min(begin + Self.runLength, row.length), into: chosen.scores(of: row) + begin)
      }
      passed += runs(place)
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
