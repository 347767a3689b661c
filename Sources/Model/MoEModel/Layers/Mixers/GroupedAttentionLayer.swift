import Kernels
import Machine
import Tensors

/// Attention whose query heads share key heads in groups. The workers share it by tasks of a key head and a run of
/// tokens.
final class GroupedAttentionLayer: SequenceMixer {
  /// Tokens of one sequence attended in one kernel call.
  static let tokenTile = 16

  private let reading: StreamReading
  private let shape: GroupedAttention
  private let weights: GroupedAttentionWeights
  private let cache: LayerCache
  private let span: AttentionSpan
  private let scale: Float
  /// Of norms of queries and keys.
  private let epsilon: Float
  private let rotary: RotaryAngles?
  private let scratch: GroupedAttentionScratch
  private let input: RowStorage<Float>?
  private let compute: Compute
  private let slices: GroupedSlices?

  /// `scale` is the factor on query-key products before the softmax; `rotary`: nil in a layer that does not rotate;
  /// `input`: where the layer's input is kept. `shape` and `weights` are those of this rank's heads where there are
  /// `slices`.
  init(
    reading: StreamReading, _ shape: GroupedAttention, _ weights: GroupedAttentionWeights, cache: LayerCache,
    span: AttentionSpan, scale: Float, epsilon: Float, rotary: RotaryAngles?, scratch: GroupedAttentionScratch,
    input: RowStorage<Float>?, slices: GroupedSlices? = nil, compute: Compute
  ) {
    (self.input, self.slices) = (input, slices)
    (self.reading, self.shape, self.weights, self.cache) = (reading, shape, weights, cache)
    (self.span, self.scale, self.epsilon) = (span, scale, epsilon)
    (self.rotary, self.scratch, self.compute) = (rotary, scratch, compute)
  }

  func forward(_ stream: ResidualStream, _ pass: ForwardPass) {
    let rows = pass.rowCount
    guard rows > 0 else { return }
    scratch.reserve(rows: rows)
    slices?.joint?.reserve(rows: rows)
    input?.reserve(rows: rows)
    scratch.nextTask.reset()
    let (batch, pool) = (pass.batch, compute.pool)
    let parts = queryParts(batch)
    let keyWidth = shape.keyValueHeadCount * shape.headDims
    compute.pool.run { worker in
      stream.norm(reading, keeping: input, worker: worker)
      pool.barrier(worker: worker)
      let keyValue = scratch.keyValue(rows)
      weights.query.multiply(compute, worker: worker, stream.normed, into: scratch.query(rows))
      weights.key.multiply(compute, worker: worker, stream.normed, into: keyValue.columns(0..<keyWidth))
      weights.value.multiply(compute, worker: worker, stream.normed, into: keyValue.columns(keyWidth..<(2 * keyWidth)))
      pool.barrier(worker: worker)
      if let joint = slices?.joint {
        joint.normalize(
          query: scratch.query(rows), key: keyValue.columns(0..<keyWidth), weights, epsilon: epsilon, compute,
          worker: worker)
      }
      batch.forEachRow(compute, worker: worker) { chunk, i, row in
        prepare(chunk, position: chunk.startPosition + i, row: row)
      }
      pool.barrier(worker: worker)
      attend(batch, rows: rows, parts: parts, worker: worker)
      if shape.hasGate {
        pool.barrier(worker: worker)
        for row in compute.share(of: rows, worker: worker) { gate(row: row) }
      }
      (slices?.values).finish(
        scratch.values(rows), in: scratch.roundedValues, for: weights.output.rowFormat, compute, worker: worker)
      weights.output.multiply(
        compute, worker: worker, scratch.valueRows(rows), into: (slices?.output).own(of: stream.update))
      (slices?.output).finish(stream.update, compute, worker: worker)
      stream.addUpdate(reading, worker: worker)
    }
  }

  /// Norms, clips and rotates one token's query and key, and writes its cache row.
  private func prepare(_ chunk: DecoderBatch.Chunk, position: Int, row: Int) {
    let dims = shape.headDims
    let keyWidth = shape.keyValueHeadCount * dims
    let (query, key) = (scratch.query(row + 1)[row], scratch.keyValue(row + 1)[row])
    scratch.raw?.query.keep(row: row)
    scratch.raw?.keyValue.keep(row: row)
    if slices?.joint == nil {
      normalize(query, heads: shape.headCount, stride: shape.queryStride, weights.queryNorm)
      normalize(key, heads: shape.keyValueHeadCount, stride: dims, weights.keyNorm)
    }
    if let clip = shape.clip {
      compute.clip(query, limit: clip, count: shape.headCount * dims)
      compute.clip(key, limit: clip, count: 2 * keyWidth)
    }
    rotary?.rotate(query, heads: shape.headCount, stride: shape.queryStride, row: row)
    rotary?.rotate(key, heads: shape.keyValueHeadCount, stride: dims, row: row)
    for head in 0..<shape.keyValueHeadCount {
      let view = cache.heads(chunk.blocks, keyHead: head, dims: dims)
      view.storeKey(key + head * dims, at: position)
      view.storeValue(key + keyWidth + head * dims, at: position)
    }
  }

  func tape(rows: Int) -> MixerTape? {
    guard let input, let raw = scratch.raw else { return nil }
    return .grouped(
      GroupedAttentionTape(
        input: input.view(rows: rows), rawQuery: raw.query(rows), query: scratch.query(rows),
        rawKeyValue: raw.keyValue(rows), keyValue: scratch.keyValue(rows),
        attended: scratch.attended?(rows) ?? scratch.values(rows), values: scratch.values(rows)))
  }

  /// One token's values, multiplied by the sigmoid of their heads' gates.
  private func gate(row: Int) {
    let (query, values) = (scratch.query(row + 1)[row], (slices?.values).own(of: scratch.values(row + 1))[row])
    let (dims, attended) = (shape.headDims, scratch.attended?(row + 1)[row] ?? values)
    for head in 0..<shape.headCount {
      compute.sigmoidMultiply(
        gate: query + head * shape.queryStride + dims, attended + head * dims, out: values + head * dims, count: dims)
    }
  }

  private func normalize(_ x: UnsafeMutablePointer<Float>, heads: Int, stride: Int, _ weight: AlignedBuffer<Float>?) {
    guard let weight else { return }
    let (rows, width) = shape.queryKeyNorm == .perHead ? (heads, shape.headDims) : (1, heads * shape.headDims)
    compute.rmsNorm(
      x, stride: stride, rows: rows, count: width, weight: weight.pointer, epsilon: epsilon, out: x, outStride: stride)
  }

  /// Into how many parts the queries of one key head are cut, so that the workers finish together: one, unless a task
  /// for each key head and run of tokens would leave more than a fifth of them idle. Parts read the same keys again.
  private func queryParts(_ batch: DecoderBatch) -> Int {
    var tasks = 0
    for chunk in batch.chunks {
      tasks += (chunk.count + Self.tokenTile - 1) / Self.tokenTile * shape.keyValueHeadCount
    }
    let workers = compute.workerCount
    var (best, bestUse) = (1, 0.0)
    for parts in 1...max(shape.queriesPerKey, 1) where shape.queriesPerKey % parts == 0 {
      let rounds = (tasks * parts + workers - 1) / workers
      let use = Double(tasks * parts) / Double(max(rounds * workers, 1))
      if use > bestUse { (best, bestUse) = (parts, use) }
      if use >= 0.8 { break }
    }
    return best
  }

  /// Takes (chunk, run of tokens, key head, part of its queries) tasks until none is left.
  private func attend(_ batch: DecoderBatch, rows: Int, parts: Int, worker: Int) {
    let tile = Self.tokenTile
    let (dims, perPart) = (shape.headDims, shape.queriesPerKey / parts)
    let (query, values) = (
      scratch.query(rows), scratch.attended?(rows) ?? (slices?.values).own(of: scratch.values(rows))
    )
    let own = scratch.workers[worker]
    var wanted = scratch.nextTask.take()
    var passed = 0
    for chunk in batch.chunks {
      let tasksOfRun = shape.keyValueHeadCount * parts
      let tasks = (chunk.count + tile - 1) / tile * tasksOfRun
      while wanted < passed + tasks {
        let task = wanted - passed
        let first = task / tasksOfRun * tile
        let part = task % tasksOfRun
        for i in first..<min(first + tile, chunk.count) {
          let row = chunk.firstRow + i
          for head in (part * perPart)..<((part + 1) * perPart) {
            own.add(
              span.row(
                query[row] + head * shape.queryStride, out: values[row] + head * dims,
                sink: weights.sinks.map { UnsafePointer($0.pointer + head) }, position: chunk.startPosition + i))
          }
        }
        own.attend(compute, cache.heads(chunk.blocks, keyHead: part / parts, dims: dims), scale: scale)
        wanted = scratch.nextTask.take()
      }
      passed += tasks
    }
  }
}
