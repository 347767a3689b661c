import Kernels
import Tensors

extension Decoder {
  /// hidden += attention(norm(hidden)), keys and values joining the cache.
  func attention(layer: Int, _ batch: DecoderBatch) {
    switch (description.attention, weights.layers[layer].attention) {
    case (.latent(let shape), .latent(let weights)): latentAttention(shape, weights, layer: layer, batch)
    case (.grouped(let shape), .grouped(let weights)): groupedAttention(shape, weights, layer: layer, batch)
    default: preconditionFailure("weights of one kind of attention under the description of another")
    }
  }

  /// Calls `body` for each row of the batch in `worker`'s share of each chunk.
  private func forEachRow(
    _ batch: DecoderBatch, worker: Int, _ body: (_ chunk: DecoderBatch.Chunk, _ index: Int, _ row: Int) -> Void
  ) {
    let share = compute.share(of: batch.tokens.count, worker: worker)
    for chunk in batch.chunks {
      let first = max(share.lowerBound, chunk.firstRow)
      let end = min(share.upperBound, chunk.firstRow + chunk.count)
      for row in first..<max(first, end) { body(chunk, row - chunk.firstRow, row) }
    }
  }

  private func project(_ output: PackedMatrix, layer: Int, rows: Int, worker: Int) {
    compute.pool.barrier(worker: worker)
    let values = workspace.values.pointer
    if workspace.roundedValues.format != .float32 {
      workspace.roundedValues.share(compute, worker: worker, values, stride: output.columns, count: rows)
      compute.pool.barrier(worker: worker)
    }
    output.multiply(
      compute, worker: worker, x: workspace.roundedValues.rows(of: values, stride: output.columns), count: rows,
      y: workspace.projected.pointer, yStride: description.hiddenSize)
    compute.pool.barrier(worker: worker)
    addResidual(workspace.projected.pointer, rows: rows, worker: worker)
  }

  // MARK: Latent attention

  /// Tokens of one sequence attended in one kernel call: enough to reuse a tile of the cache, few enough that
  /// their accumulators stay in the second-level cache.
  static let latentTokenTile = 8

  private func latentAttention(
    _ shape: LatentAttention, _ weights: LatentAttentionWeights, layer: Int, _ batch: DecoderBatch
  ) {
    let (workspace, rows) = (workspace, batch.tokens.count)
    let queryWidth = shape.headCount * shape.queryDims
    compute.pool.run { worker in
      norm(self.weights.layers[layer].attentionNorm, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      let down = weights.queryUp == nil ? workspace.query : workspace.queryLatent
      weights.queryDown.multiply(
        compute, worker: worker, x: normed, count: rows, y: down.pointer, yStride: weights.queryDown.rows)
      weights.keyValueDown.multiply(
        compute, worker: worker, x: normed, count: rows, y: workspace.keyValue.pointer, yStride: cache.width)
      compute.pool.barrier(worker: worker)
      forEachRow(batch, worker: worker) { chunk, i, row in cacheLatent(shape, weights, layer: layer, chunk, i, row: row)
      }
      if let queryUp = weights.queryUp {
        compute.pool.barrier(worker: worker)
        queryUp.multiply(
          compute, worker: worker,
          x: workspace.roundedQueryLatent.rows(of: workspace.queryLatent.pointer, stride: queryUp.columns), count: rows,
          y: workspace.query.pointer, yStride: queryWidth)
      }
      compute.pool.barrier(worker: worker)
      attendLatent(shape, weights, layer: layer, batch, worker: worker)
      project(weights.output, layer: layer, rows: rows, worker: worker)
    }
  }

  /// Normalises one token's latents and writes its cache row: latent, then the rotated key.
  private func cacheLatent(
    _ shape: LatentAttention, _ weights: LatentAttentionWeights, layer: Int, _ chunk: DecoderBatch.Chunk, _ i: Int,
    row: Int
  ) {
    // The reference implementation's latent norms use 1e-6 whatever the configuration's rms_norm_eps.
    let epsilon: Float = 1e-6
    if let queryNorm = weights.queryNorm, let rank = shape.queryRank {
      let latent = workspace.queryLatent.pointer + row * rank
      compute.rmsNorm(
        latent, stride: rank, rows: 1, count: rank, weight: queryNorm.pointer, epsilon: epsilon, out: latent,
        outStride: rank)
      workspace.roundedQueryLatent.round(compute, row: row, latent)
    }
    let source = workspace.keyValue.pointer + row * cache.width
    compute.rmsNorm(
      source, stride: cache.width, rows: 1, count: shape.latentRank, weight: weights.keyValueNorm.pointer,
      epsilon: epsilon,
      out: source, outStride: cache.width)
    rotate(source + shape.latentRank, heads: 1, stride: shape.rotaryDims, row: row)
    cache.view(chunk.blocks, layer: layer, keyHead: 0).storeKey(source, at: chunk.startPosition + i)
  }

  private func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, stride: Int, row: Int) {
    let rotary = description.rotary
    let half = rotary.dims / 2
    compute.rotate(
      x, heads: heads, headStride: stride, dims: rotary.dims, cosine: workspace.cosine.pointer + row * half,
      sine: workspace.sine.pointer + row * half, interleaved: rotary.interleaved)
  }

  /// For this worker's heads: queries absorbed into the latent's space, attention over latents, values brought back.
  private func attendLatent(
    _ shape: LatentAttention, _ weights: LatentAttentionWeights, layer: Int, _ batch: DecoderBatch, worker: Int
  ) {
    let heads = HeadSharing.heads(ofWorker: worker, headCount: shape.headCount, workerCount: compute.workerCount)
    guard !heads.isEmpty else { return }
    let (workspace, rows, width, latent) = (workspace, batch.tokens.count, cache.width, shape.latentRank)
    let queryWidth = shape.headCount * shape.queryDims
    for head in heads {
      let query = workspace.query.pointer + head * shape.queryDims
      let absorbed = workspace.absorbed.pointer + head * width
      for row in 0..<rows {
        workspace.roundedQuery.round(compute, row: row * shape.headCount + head, query + row * queryWidth)
      }
      let queries = workspace.roundedQuery.rows(of: workspace.query.pointer, stride: shape.queryDims)
      weights.keyAbsorb[head].multiply(
        compute, worker: worker, x: queries.strided(from: head, by: shape.headCount), count: rows, y: absorbed,
        yStride: shape.headCount * width)
      for row in 0..<rows {
        let target = absorbed + row * shape.headCount * width + latent
        target.update(from: query + row * queryWidth + shape.nopeDims, count: shape.rotaryDims)
        rotate(target, heads: 1, stride: shape.rotaryDims, row: row)
      }
    }
    let scratch = attentionScratch[worker]
    for chunk in batch.chunks {
      let view = cache.view(chunk.blocks, layer: layer, keyHead: 0)
      for tile in stride(from: 0, to: chunk.count, by: Self.latentTokenTile) {
        for i in tile..<min(tile + Self.latentTokenTile, chunk.count) {
          for head in heads {
            let place = (chunk.firstRow + i) * shape.headCount + head
            scratch.add(
              queryRow(
                workspace.absorbed.pointer + place * width, out: workspace.attended.pointer + place * latent, sink: nil,
                position: chunk.startPosition + i, layer: layer))
          }
        }
        scratch.attend(compute, view, scale: shape.softmaxScale)
      }
    }
    for head in heads {
      for row in 0..<rows {
        let place = row * shape.headCount + head
        workspace.roundedAttended.round(compute, row: place, workspace.attended.pointer + place * latent)
      }
      let attended = workspace.roundedAttended.rows(of: workspace.attended.pointer, stride: latent)
      weights.valueUp[head].multiply(
        compute, worker: worker, x: attended.strided(from: head, by: shape.headCount), count: rows,
        y: workspace.values.pointer + head * shape.valueDims, yStride: shape.headCount * shape.valueDims)
    }
  }

  private func queryRow(
    _ query: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, sink: UnsafePointer<Float>?, position: Int,
    layer: Int
  ) -> QueryRow {
    let begin = description.layers[layer].slidingWindow.map { max(0, position - $0 + 1) } ?? 0
    return QueryRow(query: query, out: out, sink: sink, begin: begin, end: position + 1)
  }

  // MARK: Grouped attention

  static let groupedTokenTile = 16

  private func groupedAttention(
    _ shape: GroupedAttention, _ weights: GroupedAttentionWeights, layer: Int, _ batch: DecoderBatch
  ) {
    let (workspace, rows) = (workspace, batch.tokens.count)
    nextTask.reset()
    let parts = queryParts(shape, batch)
    let keyWidth = shape.keyValueHeadCount * shape.headDims
    compute.pool.run { worker in
      norm(self.weights.layers[layer].attentionNorm, rows: rows, worker: worker)
      compute.pool.barrier(worker: worker)
      weights.query.multiply(
        compute, worker: worker, x: normed, count: rows, y: workspace.query.pointer,
        yStride: shape.headCount * shape.headDims)
      weights.key.multiply(
        compute, worker: worker, x: normed, count: rows, y: workspace.keyValue.pointer, yStride: 2 * keyWidth)
      weights.value.multiply(
        compute, worker: worker, x: normed, count: rows, y: workspace.keyValue.pointer + keyWidth, yStride: 2 * keyWidth
      )
      compute.pool.barrier(worker: worker)
      forEachRow(batch, worker: worker) { chunk, i, row in
        prepareGrouped(shape, weights, layer: layer, chunk, i, row: row)
      }
      compute.pool.barrier(worker: worker)
      attendGrouped(shape, weights, layer: layer, batch, parts: parts, worker: worker)
      project(weights.output, layer: layer, rows: rows, worker: worker)
    }
  }

  /// Norms, clips and rotates one token's query and key, and writes its cache row.
  private func prepareGrouped(
    _ shape: GroupedAttention, _ weights: GroupedAttentionWeights, layer: Int, _ chunk: DecoderBatch.Chunk, _ i: Int,
    row: Int
  ) {
    let dims = shape.headDims
    let keyWidth = shape.keyValueHeadCount * dims
    let query = workspace.query.pointer + row * shape.headCount * dims
    let key = workspace.keyValue.pointer + row * 2 * keyWidth
    normalize(query, heads: shape.headCount, shape, weights.queryNorm)
    normalize(key, heads: shape.keyValueHeadCount, shape, weights.keyNorm)
    if let clip = shape.clip {
      compute.clip(query, limit: clip, count: shape.headCount * dims)
      compute.clip(key, limit: clip, count: 2 * keyWidth)
    }
    rotate(query, heads: shape.headCount, stride: dims, row: row)
    rotate(key, heads: shape.keyValueHeadCount, stride: dims, row: row)
    for head in 0..<shape.keyValueHeadCount {
      let view = cache.view(chunk.blocks, layer: layer, keyHead: head)
      view.storeKey(key + head * dims, at: chunk.startPosition + i)
      view.storeValue(key + keyWidth + head * dims, at: chunk.startPosition + i)
    }
  }

  private func normalize(
    _ x: UnsafeMutablePointer<Float>, heads: Int, _ shape: GroupedAttention, _ weight: AlignedBuffer<Float>?
  ) {
    guard let weight else { return }
    let (rows, width) = shape.queryKeyNorm == .perHead ? (heads, shape.headDims) : (1, heads * shape.headDims)
    compute.rmsNorm(
      x, stride: width, rows: rows, count: width, weight: weight.pointer, epsilon: description.normEpsilon, out: x,
      outStride: width)
  }

  /// Into how many parts the queries of one key head are cut, so that the workers finish together: one, unless a task
  /// for each key head and run of tokens would leave more than a fifth of them idle. Parts read the same keys again.
  private func queryParts(_ shape: GroupedAttention, _ batch: DecoderBatch) -> Int {
    var tasks = 0
    for chunk in batch.chunks {
      tasks += (chunk.count + Self.groupedTokenTile - 1) / Self.groupedTokenTile * shape.keyValueHeadCount
    }
    let workers = compute.workerCount
    var (best, bestUse) = (1, 0.0)
    for parts in 1...shape.queriesPerKey where shape.queriesPerKey % parts == 0 {
      let rounds = (tasks * parts + workers - 1) / workers
      let use = Double(tasks * parts) / Double(max(rounds * workers, 1))
      if use > bestUse { (best, bestUse) = (parts, use) }
      if use >= 0.8 { break }
    }
    return best
  }

  /// Takes (chunk, run of tokens, key head, part of its queries) tasks until none is left.
  private func attendGrouped(
    _ shape: GroupedAttention, _ weights: GroupedAttentionWeights, layer: Int, _ batch: DecoderBatch, parts: Int,
    worker: Int
  ) {
    let tile = Self.groupedTokenTile
    let (dims, perPart) = (shape.headDims, shape.queriesPerKey / parts)
    let scratch = attentionScratch[worker]
    var wanted = nextTask.take()
    var passed = 0
    for chunk in batch.chunks {
      let tasksOfRun = shape.keyValueHeadCount * parts
      let tasks = (chunk.count + tile - 1) / tile * tasksOfRun
      while wanted < passed + tasks {
        let task = wanted - passed
        let first = task / tasksOfRun * tile
        let part = task % tasksOfRun
        for i in first..<min(first + tile, chunk.count) {
          for head in (part * perPart)..<((part + 1) * perPart) {
            let place = (chunk.firstRow + i) * shape.headCount + head
            scratch.add(
              queryRow(
                workspace.query.pointer + place * dims, out: workspace.values.pointer + place * dims,
                sink: weights.sinks.map { UnsafePointer($0.pointer + head) }, position: chunk.startPosition + i,
                layer: layer))
          }
        }
        scratch.attend(
          compute, cache.view(chunk.blocks, layer: layer, keyHead: part / parts),
          scale: description.attention.softmaxScale)
        wanted = nextTask.take()
      }
      passed += tasks
    }
  }
}
