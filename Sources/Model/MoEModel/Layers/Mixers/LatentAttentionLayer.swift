import Kernels
import Machine
import Tensors

/// Multi-head latent attention in its absorbed form: queries are brought into the space of the latents, which are all
/// that the cache holds of a token, beside one rotary key. The workers share it by heads. Beside an indexer, tokens
/// with more positions before them than it chooses attend those that it chose.
final class LatentAttentionLayer: SequenceMixer {
  /// Tokens of one sequence attended in one kernel call: enough to reuse a tile of the cache, few enough that
  /// their accumulators stay in the second-level cache.
  static let tokenTile = 8
  /// The reference implementation's latent norms use 1e-6 whatever the configuration's rms_norm_eps.
  private static let epsilon: Float = 1e-6

  private let reading: StreamReading
  private let shape: LatentAttention
  private let weights: LatentAttentionWeights
  private let cache: LayerCache
  private let span: AttentionSpan
  private let rotary: RotaryAngles
  private let scratch: LatentAttentionScratch
  /// What was chosen for tokens that do not attend everything, and who chooses it, unless a layer before did.
  private let chosen: ChosenPositions?
  private let indexer: Indexer?
  private let input: RowStorage<Float>?
  private let compute: Compute
  private let slices: LatentSlices?

  /// `input`: where its input is kept. `shape` and `weights` are those of this rank's heads where there are `slices`.
  init(
    reading: StreamReading, _ shape: LatentAttention, _ weights: LatentAttentionWeights, cache: LayerCache,
    span: AttentionSpan, rotary: RotaryAngles, scratch: LatentAttentionScratch, chosen: ChosenPositions? = nil,
    indexer: Indexer? = nil, input: RowStorage<Float>?, slices: LatentSlices? = nil, compute: Compute
  ) {
    (self.chosen, self.indexer, self.input, self.slices) = (chosen, indexer, input, slices)
    (self.reading, self.shape, self.weights, self.cache) = (reading, shape, weights, cache)
    (self.span, self.rotary, self.scratch, self.compute) = (span, rotary, scratch, compute)
  }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let rows = pass.rowCount
    guard rows > 0 else { return }
    scratch.reserve(rows: rows)
    input?.reserve(rows: rows)
    let (batch, pool, raw) = (pass.batch, compute.pool, scratch.raw)
    indexer?.begin(batch)
    compute.pool.run { worker in
      stream.norm(reading, keeping: input, worker: worker)
      pool.barrier(worker: worker)
      let down = weights.queryUp == nil ? scratch.query(rows) : scratch.queryLatent(rows)
      weights.queryDown.multiply(compute, worker: worker, stream.normed, into: (slices?.queryLatent).own(of: down))
      let keyValue = scratch.keyValue(rows)
      weights.keyValueDown.multiply(compute, worker: worker, stream.normed, into: (slices?.keyValue).own(of: keyValue))
      indexer?.project(stream.normed, rows: rows, worker: worker)
      slices?.keyValue.gatherer.prepare(worker: worker)
      pool.barrier(worker: worker)
      slices?.gather(queryLatent: down, keyValue: keyValue, indexer, compute, worker: worker)
      batch.forEachRow(compute, worker: worker) { chunk, i, row in
        raw?.queryLatent.keep(row: row)
        raw?.keyValue.keep(row: row)
        store(chunk, position: chunk.startPosition + i, row: row)
      }
      if let queryUp = weights.queryUp {
        pool.barrier(worker: worker)
        let latents = scratch.roundedQueryLatent.rows(of: scratch.queryLatent(rows))
        queryUp.multiply(compute, worker: worker, latents, into: scratch.query(rows))
        indexer?.projectQueries(latents, rows: rows, worker: worker)
      }
      pool.barrier(worker: worker)
      if let indexer, indexer.chooses {
        indexer.choose(worker: worker)
        pool.barrier(worker: worker)
      }
      attend(batch, rows: rows, worker: worker)
      (slices?.values).finish(
        scratch.values(rows), in: scratch.roundedValues, for: weights.output.rowFormat, compute, worker: worker)
      weights.output.multiply(
        compute, worker: worker, scratch.valueRows(rows), into: (slices?.output).own(of: stream.update))
      (slices?.output).finish(stream.update, compute, worker: worker)
      stream.addUpdate(reading, worker: worker)
    }
  }

  /// Normalises one token's latents and writes its cache row: latent, then the rotated key.
  private func store(_ chunk: DecoderBatch.Chunk, position: Int, row: Int) {
    if let queryNorm = weights.queryNorm, let rank = shape.queryRank {
      let latent = scratch.queryLatent(row + 1)[row]
      normalize(latent, count: rank, queryNorm)
      scratch.roundedQueryLatent.round(compute, row: row, latent)
    }
    let source = scratch.keyValue(row + 1)[row]
    normalize(source, count: shape.latentRank, weights.keyValueNorm)
    rotary.rotate(source + shape.latentRank, heads: 1, stride: shape.rotaryDims, row: row)
    cache.latents(chunk.blocks, rank: shape.latentRank).storeKey(source, at: position)
    indexer?.store(chunk, position: position, row: row)
  }

  func tape(rows: Int) -> MixerTape? {
    guard let input, let raw = scratch.raw else { return nil }
    return .latent(
      LatentAttentionTape(
        input: input.view(rows: rows), rawQueryLatent: raw.queryLatent(rows), queryLatent: scratch.queryLatent(rows),
        query: scratch.query(rows), rawKeyValue: raw.keyValue(rows), keyValue: scratch.keyValue(rows),
        absorbed: scratch.absorbed(rows), values: scratch.values(rows)))
  }

  private func normalize(_ x: UnsafeMutablePointer<Float>, count: Int, _ weight: AlignedBuffer<Float>) {
    compute.rmsNorm(
      x, stride: count, rows: 1, count: count, weight: weight.pointer, epsilon: Self.epsilon, out: x, outStride: count)
  }

  /// For this worker's heads: queries absorbed into the latent's space, attention over latents, values brought back.
  private func attend(_ batch: DecoderBatch, rows: Int, worker: Int) {
    let heads = HeadSharing.heads(ofWorker: worker, headCount: shape.headCount, workerCount: compute.workerCount)
    guard !heads.isEmpty else { return }
    for head in heads { absorb(head, rows: rows, worker: worker) }
    turn(heads, rows: rows)
    let (absorbed, attended) = (scratch.absorbed(rows), scratch.attended(rows))
    let (width, latent) = (cache.width, shape.latentRank)
    let own = scratch.workers[worker]
    var place = 0
    for chunk in batch.chunks {
      let view = cache.latents(chunk.blocks, rank: latent)
      let dense = chosen?.denseCount(chunk) ?? chunk.count
      for tile in stride(from: 0, to: dense, by: Self.tokenTile) {
        for i in tile..<min(tile + Self.tokenTile, dense) {
          let (query, out) = (absorbed[chunk.firstRow + i], attended[chunk.firstRow + i])
          for head in heads {
            own.add(
              span.row(
                query + head * width, out: out + head * latent, sink: nil, position: chunk.startPosition + i))
          }
        }
        own.attend(compute, view, scale: shape.softmaxScale)
      }
      guard let chosen else { continue }
      for i in dense..<chunk.count {
        let (query, out) = (absorbed[chunk.firstRow + i], attended[chunk.firstRow + i])
        for head in heads {
          own.add(
            QueryRow(query: query + head * width, out: out + head * latent, sink: nil, begin: 0, end: chosen.topK))
        }
        own.attend(compute, view, positions: chosen.positions(place), scale: shape.softmaxScale)
        place += 1
      }
    }
    for head in heads { bringBack(head, rows: rows, worker: worker) }
  }

  /// absorbed[:, head] := [query's part without position · keyAbsorb | its other part, which `turn` rotates], the query
  /// times its position's factor.
  private func absorb(_ head: Int, rows: Int, worker: Int) {
    // Taken out of the loops: workers that count references to one object wait for each other.
    let (query, width, rounded) = (scratch.query(rows), cache.width, scratch.roundedQuery)
    let absorbed = scratch.absorbed(rows).columns((head * width)..<((head + 1) * width))
    let factors = rotary.queryFactors(rows: rows)
    for row in 0..<rows {
      if let factors {
        let own = query[row] + head * shape.queryDims
        compute.scale(own, by: factors[row].pointee, into: own, count: shape.queryDims)
      }
      rounded.round(compute, row: row * shape.headCount + head, query[row] + head * shape.queryDims)
    }
    let queries = rounded.rows(of: query.start, stride: shape.queryDims)
    weights.keyAbsorb[head].multiply(
      compute, worker: worker, queries.strided(from: head, by: shape.headCount),
      into: absorbed.columns(0..<shape.latentRank))
    for row in 0..<rows {
      let target = absorbed[row] + shape.latentRank
      target.update(from: query[row] + head * shape.queryDims + shape.nopeDims, count: shape.rotaryDims)
    }
  }

  /// Rotates what `absorb` left of the heads' queries to be rotated.
  private func turn(_ heads: Range<Int>, rows: Int) {
    let (absorbed, rotary) = (scratch.absorbed(rows), rotary)
    let first = heads.lowerBound * cache.width + shape.latentRank
    for row in 0..<rows { rotary.rotate(absorbed[row] + first, heads: heads.count, stride: cache.width, row: row) }
  }

  /// values[:, head] := attended latents · valueUp
  private func bringBack(_ head: Int, rows: Int, worker: Int) {
    let (attended, latent, rounded) = (scratch.attended(rows), shape.latentRank, scratch.roundedAttended)
    for row in 0..<rows {
      rounded.round(compute, row: row * shape.headCount + head, attended[row] + head * latent)
    }
    let latents = rounded.rows(of: attended.start, stride: latent)
    weights.valueUp[head].multiply(
      compute, worker: worker, latents.strided(from: head, by: shape.headCount),
      into: (slices?.values).own(of: scratch.values(rows)).columns(
        (head * shape.valueDims)..<((head + 1) * shape.valueDims)))
  }
}
