import Kernels
import Machine
import Tensors

/// Modules that draft blocks of tokens (`BlockDrafting`). While the model runs they take down what some of its layers
/// give, brought together; after it they read that, into windows of keys that each of their layers keeps of a sequence;
/// and then they draft: a block for a sequence, all places of it at once, and its guesses one after another.
///
/// A guess is the greatest of the head's logits and of what the guess before adds to them, of equals the lowest id. The
/// modules say how likely each is to be right, if those before are; a place whose guesses up to it are less likely than
/// `leastChance` to be all right is not worth a row of the model.
final class BlockDrafter {
  /// A row costs about as much as it brings where it counts half of the time.
  static let leastChance: Float = 0.5

  let blocks: BlockDrafting
  /// Of blocks, through the modules' layers.
  let stream: ResidualStream
  private let weights: BlockDraftingWeights
  private let attentions: [CompressedAttentionLayer]
  private let head: OutputHead
  private let epsilon: Float
  private let compute: Compute
  /// What the model's layers gave, `[rows, sources · hidden]`, and what became of it, `[rows, hidden]`.
  private let taken: RowStorage<Float>
  private let fused: RowStorage<Float>
  private var roundedTaken: RowBuffer
  private var roundedFused: RowBuffer
  // Of each block: the token before the place, what it is looked up as, what it adds, how sure the guess is.
  private let previous = RowStorage<Int32>(columns: 1)
  private let origins: RowStorage<Float>
  private let additions: RowStorage<Float>
  private let features: RowStorage<Float>
  private let confidences = RowStorage<Float>(columns: 1)
  private var roundedOrigins: RowBuffer
  private var chances: [Float] = []
  private var allRows: [Int] = []

  /// `layers`: the modules'.
  init(
    _ blocks: BlockDrafting, _ weights: BlockDraftingWeights, layers: ArraySlice<DecoderLayer>, hiddenSize: Int,
    head: PackedMatrix, rowFormat: RowFormat, epsilon: Float, residual: ResidualDescription, compute: Compute
  ) {
    (self.blocks, self.weights, self.epsilon, self.compute) = (blocks, weights, epsilon, compute)
    attentions = layers.compactMap { $0.mixer as? CompressedAttentionLayer }
    stream = ResidualStream(
      hiddenSize: hiddenSize, epsilon: epsilon, rowFormat: rowFormat, compute: compute, residual: residual)
    self.head = OutputHead(norm: weights.norm, head, rowFormat: rowFormat, epsilon: epsilon, compute: compute)
    taken = RowStorage(columns: weights.fusion.columns)
    fused = RowStorage(columns: hiddenSize)
    roundedTaken = RowBuffer(weights.fusion.rowFormat, columns: weights.fusion.columns, rows: 0)
    roundedFused = RowBuffer(rowFormat, columns: hiddenSize, rows: 0)
    origins = RowStorage(columns: weights.transitionFrom.columns)
    additions = RowStorage(columns: weights.transitionTo.rows)
    features = RowStorage(columns: weights.confidence.columns)
    roundedOrigins = RowBuffer(weights.transitionTo.rowFormat, columns: weights.transitionTo.columns, rows: 0)
  }

  /// Begins a pass of so many rows through the model.
  func begin(rows: Int) { taken.reserve(rows: rows) }

  /// Takes down what a layer of the model left: the mean of its streams, added up in their order.
  func take(_ hidden: MatrixView<Float>, ofLayer layer: Int) {
    guard let place = blocks.sources.firstIndex(of: layer), hidden.rowCount > 0 else { return }
    let (rows, size) = (hidden.rowCount, stream.hiddenSize)
    let means = taken.view(rows: rows).columns((place * size)..<((place + 1) * size))
    let streams = hidden.columns / size
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) {
        let (source, mean) = (hidden[row], means[row])
        mean.update(from: source, count: size)
        for i in 1..<max(streams, 1) { compute.add(source + i * size, to: mean, count: size) }
        compute.scale(mean, by: 1 / Float(streams), into: mean, count: size)
      }
    }
  }

  /// Reads what was taken down of the batch that went through the model last.
  func read(_ batch: DecoderBatch) {
    let rows = batch.tokens.count
    guard rows > 0 else { return }
    fused.reserve(rows: rows)
    roundedTaken = roundedTaken.reserving(rows: rows)
    roundedFused = roundedFused.reserving(rows: rows)
    let (taken, fused, size) = (taken.view(rows: rows), fused.view(rows: rows), stream.hiddenSize)
    let (roundedTaken, roundedFused) = (roundedTaken, roundedFused)
    compute.pool.run { worker in
      for row in compute.share(of: rows, worker: worker) { roundedTaken.round(compute, row: row, taken[row]) }
      compute.pool.barrier(worker: worker)
      weights.fusion.multiply(compute, worker: worker, roundedTaken.rows(of: taken), into: fused)
      compute.pool.barrier(worker: worker)
      for row in compute.share(of: rows, worker: worker) {
        compute.rmsNorm(
          fused[row], stride: size, rows: 1, count: size, weight: weights.fusionNorm.pointer, epsilon: epsilon,
          out: fused[row], outStride: size)
        roundedFused.round(compute, row: row, fused[row])
      }
    }
    for attention in attentions { attention.read(roundedFused.rows(of: fused), batch) }
  }

  /// Guesses for blocks that have gone through the layers, each a chunk of the batch: replaces `tokens` by `blockSize`
  /// for each, -1 from where none is worth trying or logits are not finite.
  func guess(_ batch: DecoderBatch, into tokens: inout [Int32]) {
    let (chunks, size) = (batch.chunks, blocks.blockSize)
    tokens.removeAll(keepingCapacity: true)
    tokens.append(contentsOf: repeatElement(-1, count: chunks.count * size))
    guard !chunks.isEmpty else { return }
    stream.contract(weights.headConnection)
    let logits = logits(batch)
    previous.reserve(rows: chunks.count)
    chances.removeAll(keepingCapacity: true)
    for (i, chunk) in chunks.enumerated() {
      previous.view(rows: chunks.count)[i].pointee = batch.tokens[chunk.firstRow]
      chances.append(1)
    }
    for place in 0..<size {
      shift(logits, at: place, chunks)
      let confidences = confidences.view(rows: chunks.count)
      for (i, chunk) in chunks.enumerated() where chances[i] > 0 {
        let row = logits[chunk.firstRow + place]
        let token = greatest(row, count: logits.columns)
        let chance = chances[i] * sigmoid(confidences[i].pointee)
        guard token >= 0, chance >= Self.leastChance else {
          chances[i] = 0
          continue
        }
        chances[i] = chance
        previous.view(rows: chunks.count)[i].pointee = token
        tokens[i * size + place] = token
      }
    }
  }

  /// The head's logits of all rows of blocks, `[rows, vocabulary]`, before any guess.
  func logits(_ batch: DecoderBatch) -> MatrixView<Float> {
    allRows.removeAll(keepingCapacity: true)
    allRows.append(contentsOf: batch.tokens.indices)
    return head.logits(stream, rows: allRows).logits
  }

  /// Adds to the logits of a place of all blocks what the tokens before it add, and finds how sure guesses there are.
  private func shift(_ logits: MatrixView<Float>, at place: Int, _ chunks: [DecoderBatch.Chunk]) {
    let (count, hidden, rank) = (chunks.count, stream.hiddenSize, weights.transitionFrom.columns)
    for storage in [origins, additions, features, confidences] { storage.reserve(rows: count) }
    roundedOrigins = roundedOrigins.reserving(rows: count)
    let (states, previous, rounded) = (stream.output, previous.view(rows: count), roundedOrigins)
    let (origins, additions) = (origins.view(rows: count), additions.view(rows: count))
    let (features, confidences) = (features.view(rows: count), confidences.view(rows: count))
    compute.pool.run { worker in
      for i in compute.share(of: count, worker: worker) {
        weights.transitionFrom.expand(row: Int(previous[i].pointee), into: origins[i])
        rounded.round(compute, row: i, origins[i])
        features[i].update(from: states[chunks[i].firstRow + place], count: hidden)
        (features[i] + hidden).update(from: origins[i], count: rank)
      }
      compute.pool.barrier(worker: worker)
      weights.transitionTo.multiply(compute, worker: worker, rounded.rows(of: origins), into: additions)
      weights.confidence.multiply(
        compute, worker: worker, Rows(features.start, stride: features.stride), into: confidences)
      compute.pool.barrier(worker: worker)
      for i in compute.share(of: count, worker: worker) {
        compute.add(additions[i], to: logits[chunks[i].firstRow + place], count: logits.columns)
      }
    }
  }

  /// -1 where logits are not finite.
  private func greatest(_ logits: UnsafePointer<Float>, count: Int) -> Int32 {
    let highest = compute.max(logits, count: count)
    guard highest.isFinite else { return -1 }
    for token in 0..<count where logits[token] == highest { return Int32(token) }
    return -1
  }
}
