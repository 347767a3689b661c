import Kernels
import Machine
import Tensors

/// Times attention over a paged cache of random numbers, laid out and shared among the workers as in a forward pass.
package struct AttentionBenchmark {
  /// One model's attention in one layer.
  package struct Shape {
    package var name: String
    var heads: Int
    var keyHeads: Int
    var keyDims: Int
    var valueDims: Int
    /// Values are the first dimensions of the keys.
    var isLatent: Bool
    /// Where positions are chosen: by so many heads of so many dimensions, so many.
    var indexer: (heads: Int, dims: Int, topK: Int)? = nil

    /// Bytes one position takes, without and with its index key.
    func attendedBytes(_ type: CacheType) -> Int {
      isLatent ? type.byteCount(keyDims) : keyHeads * (type.byteCount(keyDims) + type.byteCount(valueDims))
    }
    func positionBytes(_ type: CacheType) -> Int { attendedBytes(type) + type.ofNumbers.byteCount(indexer?.dims ?? 0) }
    /// Tokens of one kernel call.
    var tokenTile: Int { isLatent ? 8 : 16 }

    package static let all = [
      Shape(name: "MLA 16", heads: 16, keyHeads: 1, keyDims: 576, valueDims: 512, isLatent: true),
      Shape(name: "MLA 128", heads: 128, keyHeads: 1, keyDims: 576, valueDims: 512, isLatent: true),
      Shape(
        name: "DSA 128", heads: 128, keyHeads: 1, keyDims: 576, valueDims: 512, isLatent: true,
        indexer: (heads: 64, dims: 128, topK: 2048)),
      Shape(name: "GQA 32/4", heads: 32, keyHeads: 4, keyDims: 128, valueDims: 128, isLatent: false),
    ]
  }

  package struct Result {
    package var shape: Shape
    package var type: CacheType
    package var context: Int
    package var tokens: Int
    /// Of one layer and all tokens.
    package var seconds: Double
    package var cacheBytes: Int
    package var operations: Int

    /// Time the limits alone would take, over the time taken: `read` bytes a second, `flops` operations a second.
    package func ratio(read: Double, flops: Double) -> Double {
      max(Double(cacheBytes) / read, Double(operations) / flops) / seconds
    }
  }

  let compute: Compute

  package init(compute: Compute) { self.compute = compute }

  private static let blockTokens = 32
  /// Several times a last-level cache, so that a layer is never found there when its turn comes again.
  private static let footprint = 160 << 20

  /// The last `tokens` tokens of a sequence of `context`, once through each of the layers; the best of three.
  package func measure(_ shape: Shape, _ type: CacheType, context: Int, tokens: Int) throws -> Result {
    let blockCount = (context + Self.blockTokens - 1) / Self.blockTokens
    let layerBytes = blockCount * Self.blockTokens * shape.positionBytes(type)
    // One layer of many tokens' arithmetic is long enough, and hardly touches memory.
    let layers = tokens > 1 ? 1 : min(max(Self.footprint / layerBytes, 1), 256)
    let memory = try filled(byteCount: layers * layerBytes)
    if type == .q8 { fillTiles(shape, memory, blockCount: layers * blockCount) }
    let tables = (0..<layers).map { layer in
      let table = AlignedBuffer<UnsafeRawPointer?>(count: blockCount)
      for block in 0..<blockCount {
        table.pointer[block] = UnsafeRawPointer(memory.base + layer * layerBytes + block * (layerBytes / blockCount))
      }
      return table
    }
    let queries = AlignedBuffer<Float>(count: tokens * shape.heads * shape.keyDims)
    for i in 0..<queries.count { queries.pointer[i] = Float(i % 17) * 0.125 - 1 }
    let out = AlignedBuffer<Float>(count: tokens * shape.heads * shape.valueDims)
    let workers = (0..<compute.workerCount).map { _ in
      Worker(
        shape: shape, rows: shape.tokenTile * shape.heads,
        scratch: scratchCount(shape, view(shape, type, tables[0], keyHead: 0)))
    }
    let indexed = IndexedSteps(shape, context: context, tokens: tokens)
    var best = Double.infinity
    for _ in 0..<3 {
      let start = ContinuousClock.now
      for table in tables {
        compute.pool.run { worker in
          if let indexed {
            let view = view(shape, type, table, keyHead: 0)
            let keys = IndexKeyView(
              type: type.ofNumbers, blocks: table.pointer, blockTokens: Self.blockTokens,
              offset: Self.blockTokens * shape.attendedBytes(type) / type.ofNumbers.unitByteCount,
              dims: indexed.indexer.dims)
            indexed.run(compute, keys, worker: worker) { token, positions in
              workers[worker].attend(
                compute, view, heads: compute.share(of: shape.heads, worker: worker), token: token,
                positions: positions, count: indexed.indexer.topK, queries: queries.pointer, out: out.pointer)
            }
            return
          }
          forEachTask(shape, tokens: tokens, worker: worker) { keyHead, heads, run in
            workers[worker].attend(
              compute, view(shape, type, table, keyHead: keyHead), heads: heads, tokens: run, context: context,
              allTokens: tokens, queries: queries.pointer, out: out.pointer)
          }
        }
      }
      best = min(best, (ContinuousClock.now - start) / .seconds(1) / Double(layers))
    }
    withExtendedLifetime(memory) {}
    let positions = (0..<tokens).reduce(0) { $0 + context - $1 }
    var read = context * shape.attendedBytes(type)
    var operations = 2 * positions * shape.heads * (shape.keyDims + shape.valueDims)
    if let indexer = indexed?.indexer {
      read = context * type.ofNumbers.byteCount(indexer.dims)
      read += min(context, tokens * indexer.topK) * shape.attendedBytes(type)
      operations = 2 * tokens * indexer.topK * shape.heads * (shape.keyDims + shape.valueDims)
      operations += 2 * positions * indexer.heads * indexer.dims
    }
    return Result(
      shape: shape, type: type, context: context, tokens: tokens, seconds: best, cacheBytes: read,
      operations: operations)
  }

  private func scratchCount(_ shape: Shape, _ view: CacheView) -> Int {
    shape.indexer == nil ? view.scratchCount : view.chosenScratchCount
  }

  /// Latent attention is shared by heads, grouped attention by key heads and runs of tokens.
  private func forEachTask(
    _ shape: Shape, tokens: Int, worker: Int,
    _ body: (_ keyHead: Int, _ heads: Range<Int>, _ tokens: Range<Int>) -> Void
  ) {
    let tiles = stride(from: 0, to: tokens, by: shape.tokenTile).map { $0..<min($0 + shape.tokenTile, tokens) }
    if shape.isLatent {
      let heads = compute.share(of: shape.heads, worker: worker)
      for tile in tiles where !heads.isEmpty { body(0, heads, tile) }
      return
    }
    let perKey = shape.heads / shape.keyHeads
    for task in stride(from: worker, to: tiles.count * shape.keyHeads, by: compute.workerCount) {
      let keyHead = task % shape.keyHeads
      body(keyHead, (keyHead * perKey)..<((keyHead + 1) * perKey), tiles[task / shape.keyHeads])
    }
  }

  private func view(
    _ shape: Shape, _ type: CacheType, _ table: AlignedBuffer<UnsafeRawPointer?>, keyHead: Int
  ) -> CacheView {
    let (key, value) = (type.unitCount(shape.keyDims), type.unitCount(shape.valueDims))
    let keys = shape.isLatent ? 0 : keyHead * Self.blockTokens * (key + value)
    return CacheView(
      type: type, blocks: table.pointer, blockTokens: Self.blockTokens, rowStride: key, keyOffset: keys,
      valueOffset: shape.isLatent ? 0 : keys + Self.blockTokens * key, keyDims: shape.keyDims,
      valueDims: shape.valueDims)
  }

  /// Gives every block the same tiles of levels and scales; index keys stay what they are.
  private func fillTiles(_ shape: Shape, _ memory: ReservedMemory, blockCount: Int) {
    let table = AlignedBuffer<UnsafeRawPointer?>(count: 1)
    table.pointer[0] = UnsafeRawPointer(memory.base)
    let vector = AlignedBuffer<Float>(count: max(shape.keyDims, shape.valueDims))
    for position in 0..<Self.blockTokens {
      for head in 0..<shape.keyHeads {
        let view = view(shape, .q8, table, keyHead: head)
        for i in 0..<vector.count { vector.pointer[i] = Float((i + position) * 37 % 61 - 30) * 0.03125 }
        view.storeKey(vector.pointer, at: position)
        if !shape.isLatent { view.storeValue(vector.pointer, at: position) }
      }
    }
    let (own, whole) = (shape.attendedBytes(.q8), shape.positionBytes(.q8))
    for block in 1..<max(blockCount, 1) {
      (memory.base + block * Self.blockTokens * whole).copyMemory(from: memory.base, byteCount: own * Self.blockTokens)
    }
  }

  /// Numbers around 0, of either type of them.
  private func filled(byteCount: Int) throws -> ReservedMemory {
    let memory = try ReservedMemory(byteCount: byteCount)
    let halves = memory.base.bindMemory(to: UInt16.self, capacity: byteCount / 2)
    var state: UInt32 = 1
    for i in 0..<(byteCount / 2) {
      state = state &* 1_664_525 &+ 1_013_904_223
      // A sign and a number in [0.5, 2), as bf16 or as the upper half of fp32.
      halves[i] = UInt16(truncatingIfNeeded: (state >> 16 & 0x80ff) | 0x3f00)
    }
    return memory
  }
}

/// One worker's query rows and scratch.
private struct Worker: @unchecked Sendable {
  let shape: AttentionBenchmark.Shape
  let rows: AlignedBuffer<QueryRow>
  let scratch: AlignedBuffer<Float>

  init(shape: AttentionBenchmark.Shape, rows: Int, scratch: Int) {
    self.shape = shape
    self.rows = AlignedBuffer(count: rows)
    self.scratch = AlignedBuffer(count: scratch)
  }

  func attend(
    _ compute: Compute, _ view: CacheView, heads: Range<Int>, tokens: Range<Int>, context: Int, allTokens: Int,
    queries: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
  ) {
    var count = 0
    for token in tokens {
      for head in heads {
        let place = token * shape.heads + head
        rows.pointer[count] = QueryRow(
          query: queries + place * shape.keyDims, out: out + place * shape.valueDims, sink: nil, begin: 0,
          end: context - allTokens + token + 1)
        count += 1
      }
    }
    compute.attend(
      cache: view, rows: UnsafeBufferPointer(start: rows.pointer, count: count), scale: 0.01, scratch: scratch.pointer)
  }

  /// One token over `count` chosen positions.
  func attend(
    _ compute: Compute, _ view: CacheView, heads: Range<Int>, token: Int, positions: UnsafePointer<UInt32>, count: Int,
    queries: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>
  ) {
    for (i, head) in heads.enumerated() {
      let place = token * shape.heads + head
      rows.pointer[i] = QueryRow(
        query: queries + place * shape.keyDims, out: out + place * shape.valueDims, sink: nil, begin: 0, end: count)
    }
    compute.attend(
      cache: view, positions: positions, rows: UnsafeBufferPointer(start: rows.pointer, count: heads.count),
      scale: 0.01, scratch: scratch.pointer)
  }
}
