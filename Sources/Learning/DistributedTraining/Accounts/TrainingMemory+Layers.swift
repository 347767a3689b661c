import Backpropagation
import Gradients
import Kernels
import MoEModel

/// What passes keep and use of a rank's own rows: the tape (`LayerTape`), rows of the backward pass, logits, keys and
/// values.
extension TrainingMemory {
  mutating func addLayers(_ layout: TrainingLayout, _ rank: Int) {
    let (description, terms) = (layout.description, layout.terms)
    let (hidden, layers) = (Double(description.hiddenSize), description.runLayers)
    let length = Double(terms.sequenceLength)
    let sequences = layout.sequences(of: rank)
    let (rows, longest) = (Self.reserved(sequences * length), Self.reserved(length))
    addTape(layout, rows: rows)
    let workers = Double(terms.workerCount)
    var widest = hidden
    var seen: Set<[Int]> = []
    let streams = StreamWidths(description)
    for layer in layers {
      let stages = LayerStages(layer, description)
      add(.backward, floats: rows * stages.choices)
      // Layers of one shape share them.
      for stage in stages.backward where seen.insert(stage.shape).inserted {
        add(.backward, floats: rows * stage.columns + workers * longest * stage.ofWorker)
      }
      widest = max(widest, stages.widestNorm)
    }
    // A prediction module has a norm over each stream.
    if description.predicts { widest = max(widest, streams.all) }
    // The stream, a norm and its gradient; of some leaves the gradients by inputs of a norm.
    let parts = NormBackward.parts(leaves: layout.leafCount(of: rank), workers: terms.workerCount).parts
    add(.backward, floats: rows * (3 * hidden + streams.backward) + Double(parts) * layout.leafRows * widest)
    // Gradients around a prediction module, and by the last norm's output.
    if description.predicts { add(.backward, floats: rows * (streams.all > 0 ? streams.all + 2 * hidden : 5 * hidden)) }
    let block = Self.reserved(min(layout.leafRows.rounded(.up), 256)) * (description.predicts ? 2 : 1)
    add(.logits, floats: block * (Double(description.vocabularySize) + hidden))
    add(
      .cache,
      sequences * Double(KeyValueCache.blockCount(tokens: terms.sequenceLength))
        * Double(KeyValueCache.blockByteCount(description, type: .f32)))
    add(.cache, sequences * Double(StateCache.slotByteCount(description)))
    let entries = layers.reduce(0) { most, layer in
      guard case .compressed(let shape) = layer.attention, let ratio = shape.ratio else { return most }
      return max(most, terms.sequenceLength / ratio)
    }
    let keyDims = layers.reduce(0) { most, layer in
      guard case .delta(let delta) = layer.attention else { return most }
      return max(most, delta.keyDims)
    }
    add(
      .scratch,
      workers * Double(GradientCompute.scratchByteCount(tokens: terms.sequenceLength + entries, keyDims: keyDims)))
  }

  /// Every layer's stages; with recomputation every layer's input, and the stages once for each shape that layers have.
  private mutating func addTape(_ layout: TrainingLayout, rows: Double) {
    let (description, workers) = (layout.description, Double(layout.terms.workerCount))
    let hidden = Double(description.hiddenSize)
    let isRounded = layout.terms.products == .bfloat16
    // The stream, its norm and its update, rounded too; angles.
    let angles = description.rotary.dims + (description.rotary.queryScaling == nil ? 0 : 1)
    let streams = StreamWidths(description)
    add(.activations, floats: rows * (3 * hidden + Double(angles + (description.entryRotary?.dims ?? 0))))
    // All streams in the place of one, their norm and weights, and what the last norm has of them.
    add(.activations, floats: rows * streams.step)
    if isRounded { add(.activations, rows * 2 * hidden) }
    var seen: Set<[Int]> = []
    for layer in description.runLayers {
      // Of several streams all are kept before either half.
      let input = streams.all > 0 ? streams.all : hidden
      add(.activations, floats: rows * input)
      if !layout.terms.recomputes { add(.activations, floats: rows * (input + streams.ofHalves)) }
      for stage in LayerStages(layer, description).kept {
        guard !layout.terms.recomputes || seen.insert(stage.shape).inserted else { continue }
        add(.activations, floats: rows * stage.columns)
        if isRounded { add(.activations, rows * 2 * stage.rounded) }
        add(.scratch, workers * stage.queryRows * 64)
      }
    }
    if layout.terms.recomputes {
      add(.activations, floats: rows * ((streams.all > 0 ? streams.all : hidden) + streams.ofHalves))
    }
    guard description.predicts else { return }
    // The module's own stream, its norm and update, embeddings, states, and both joined; of several streams norms of
    // embeddings and of states, and what embeddings were projected to.
    add(.activations, floats: rows * (streams.all > 0 ? streams.step + streams.all + 6 * hidden : 7 * hidden))
    if isRounded { add(.activations, rows * (streams.all > 0 ? 4 * hidden + 2 * streams.all : 6 * hidden)) }
  }
}

/// Numbers of a row that several residual streams have beyond one; all zero where there is one.
private struct StreamWidths {
  /// The streams themselves.
  var all = 0.0
  /// Of a step: the streams but for the first, their norm, the sum and weights; and the head's record.
  var step = 0.0
  /// What both halves of a layer keep: what they read, their weights and updates.
  var ofHalves = 0.0
  /// Of the backward pass: by the streams, those over their length and the gradient by them, weights.
  var backward = 0.0

  init(_ description: DecoderDescription) {
    guard case .hyper(let shape) = description.residual else { return }
    let (hidden, weights) = (Double(description.hiddenSize), Double(shape.weightCount))
    all = Double(shape.streams) * hidden
    step = 3 * all + weights + Double(shape.streams)
    ofHalves = 2 * (hidden + weights) + 2 * hidden
    backward = 3 * all + 3 * weights + 3
  }
}

/// Numbers of a row in the stages of one layer, forward and backward, but for its inputs and visits to experts.
private struct LayerStages {
  /// Memory that layers of one shape may share.
  struct Stage {
    let shape: [Int]
    var columns: Double
    /// Of those, what enters products rounded where products are.
    var rounded: Double
    /// Query rows of one call of the attention kernel, on each worker.
    var queryRows = 0.0
    /// That a worker has of a row of the sequence it is at.
    var ofWorker = 0.0
  }

  private(set) var kept: [Stage]
  private(set) var backward: [Stage]
  /// A layer's own in the backward pass: experts chosen, numbered.
  private(set) var choices = 0.0
  /// The widest rows that have a norm.
  let widestNorm: Double

  init(_ layer: LayerDescription, _ description: DecoderDescription) {
    switch layer.attention {
    case .latent(let shape):
      let (heads, latent, query) = (Double(shape.headCount), Double(shape.latentRank), Double(shape.queryRank ?? 0))
      let width = latent + Double(shape.rotaryDims)
      let (queryDims, valueDims) = (Double(shape.queryDims), Double(shape.valueDims))
      // The query's latent and the row of the cache, before and after their norms; queries as projected and absorbed;
      // latents attended, and values.
      let columns = 2 * (query + width) + heads * (queryDims + width + latent + valueDims)
      let sizes = [
        0, shape.headCount, shape.queryRank ?? 0, shape.latentRank, shape.nopeDims, shape.rotaryDims, shape.valueDims,
      ]
      kept = [
        Stage(
          shape: sizes, columns: columns, rounded: query + heads * (Double(shape.nopeDims) + latent + valueDims),
          queryRows: 8 * heads)
      ]
      // Gradients by queries and outputs, by keys and values expanded, and these themselves.
      let expanded = heads * (Double(shape.nopeDims) + valueDims)
      backward = [
        Stage(
          shape: sizes, columns: heads * (queryDims + valueDims) + 2 * expanded + width + query, rounded: 0,
          ofWorker: 3 * queryDims)
      ]
      widestNorm = max(latent, query)
    case .grouped(let shape):
      let (values, query, keyValue) = (
        Double(shape.headCount * shape.headDims), Double(shape.headCount * shape.queryStride),
        Double(2 * shape.keyValueHeadCount * shape.headDims)
      )
      // Queries, with gates, keys and values as projected and as they meet; what attention gave, and what gates left.
      kept = [
        Stage(
          shape: [1, shape.headCount, shape.keyValueHeadCount, shape.headDims, shape.queryStride],
          columns: 2 * (query + keyValue) + (shape.hasGate ? 2 : 1) * values, rounded: values,
          queryRows: Double(16 * shape.queriesPerKey))
      ]
      backward = [
        Stage(
          shape: kept[0].shape, columns: query + values + keyValue, rounded: 0, ofWorker: Double(2 * shape.headDims))
      ]
      widestNorm = shape.queryKeyNorm == .none ? 0 : values
    case .delta(let shape):
      let (channels, values) = (Double(shape.channels), Double(shape.valueWidth))
      let (rates, fused) = (2 * Double(shape.valueHeadCount), shape.projections == .fused ? channels + values : 0)
      let sizes = [4, shape.keyHeadCount, shape.valueHeadCount, shape.keyDims, shape.valueDims, shape.taps]
      // Projections, and apart where they are fused; channels after the convolution; gates, rates as projected and as
      // they act, what heads recalled, and what becomes of it.
      kept = [Stage(shape: sizes, columns: fused + 2 * channels + 3 * values + 2 * rates, rounded: values)]
      // Gradients by outputs and gates, by channels after and before the convolution, by rates.
      backward = [Stage(shape: sizes, columns: 2 * values + 2 * channels + fused + 3 * rates, rounded: 0)]
      widestNorm = values
    case .compressed(let shape):
      let (rank, query, dims) = (Double(shape.queryRank), Double(shape.queryWidth), Double(shape.headDims))
      let low = Double(shape.groupCount * shape.groupRank)
      let pools = [shape.keyPool, shape.indexPool].compactMap { $0 }
      // Latents, queries and the key before and after their norms, the window, what heads attended and its groups;
      // values and gates of entries, and these.
      let columns = 2 * rank + 3 * query + 3 * dims + low
      let ofPools = pools.reduce(0) { $0 + 2 * Double($1.width) + Double($1.dims) / Double($1.ratio) }
      let sizes = [
        5, shape.headCount, shape.headDims, shape.queryRank, shape.groupCount, shape.groupRank, shape.window,
        shape.ratio ?? 0, shape.indexer?.headDims ?? 0, shape.indexer?.headCount ?? 0,
      ]
      kept = [
        Stage(shape: sizes, columns: columns + ofPools, rounded: rank + query + low, queryRows: Double(shape.headCount))
      ]
      // Gradients by queries, outputs, latents, the key, groups; of entries by these, their sums and means, and by what
      // they are made of.
      let perEntry = shape.ratio.map { 1 / Double($0) } ?? 0
      let entries = shape.keyPool.map { 5 * dims * perEntry + 2 * Double($0.width) } ?? 0
      backward = [
        Stage(
          shape: [5, shape.headCount, shape.headDims, shape.queryRank, shape.groupCount, shape.groupRank],
          columns: 2 * query + rank + dims + low + Double(shape.headCount), rounded: 0,
          ofWorker: dims * (1 + perEntry)),
        Stage(shape: [6, shape.keyPool?.width ?? 0, shape.ratio ?? 0], columns: entries, rounded: 0),
      ]
      widestNorm = max(rank, dims)
    }
    addFeedForward(layer, description)
  }

  private mutating func addFeedForward(_ layer: LayerDescription, _ description: DecoderDescription) {
    let hidden = Double(description.hiddenSize)
    /// Gate, up, and their product; as many in the backward pass.
    func block(_ width: Int) -> Stage { Stage(shape: [2, width], columns: 3 * Double(width), rounded: Double(width)) }
    switch (layer.feedForward, description.moe) {
    case (.dense(let width), _):
      kept.append(block(width))
      backward.append(block(width))
    case (.moe, let moe?):
      // Logits, the gate of a shared expert, experts chosen and their weights.
      choices = Double(2 * moe.topK)
      let logits = Double(moe.expertCount + 1)
      kept.append(
        Stage(shape: [3], columns: logits + choices + (moe.sharedIntermediateSize == nil ? 0 : hidden), rounded: 0))
      backward.append(Stage(shape: [3], columns: 2 * hidden + Double(moe.topK) + logits, rounded: 0))
      guard let width = moe.sharedIntermediateSize else { return }
      kept.append(block(width))
      backward.append(block(width))
    case (.moe, nil): return
    }
  }
}
