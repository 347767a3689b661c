import Kernels
import Machine
import Telemetry
import Tensors

/// A model that runs: embedding, layers, head.
package final class Decoder {
  package let description: DecoderDescription
  /// Keeps the memory alive that the layers' matrices lie in.
  private let weights: ModelWeights
  private let stream: ResidualStream
  private let rotary: RotaryAngles
  /// Of layers that attend to entries of several tokens.
  private let entryRotary: RotaryAngles?
  private let layers: [DecoderLayer]
  private let head: OutputHead
  private let prediction: PredictionModule?
  private let drafter: BlockDrafter?
  private let compute: Compute
  private let phases: PhaseRecorder?
  private let kept: KeptActivations
  /// What the last norm had of several streams; nil where nothing is kept, or there is one.
  private let headRecord: StreamRecord?
  /// Where ranks share out what is no routed expert.
  private let gatherer: SliceGatherer?
  /// By rank, whose embeddings it has then.
  private let embeddingRanges: [Range<Int>]
  /// What is multiplied with when embeddings are complete.
  private let entry: NextWeights?
  /// The layer whose stages are there, where those of one are kept.
  private var latest = 0

  /// What MoE layers need beside weights: this rank's experts, and the way to and from others'.
  package struct Experts {
    package let experts: any RoutedExperts
    package let dispatcher: any ExpertDispatcher

    package init(_ experts: any RoutedExperts, through dispatcher: any ExpertDispatcher) {
      (self.experts, self.dispatcher) = (experts, dispatcher)
    }
  }

  /// `experts` must be given for a model with MoE layers. `kept`: what a forward pass leaves behind for a
  /// backward pass. `slices`: brings together what ranks compute of a description that is sliced.
  package init(
    _ description: DecoderDescription, weights: ModelWeights, compute: Compute, cache: KeyValueCache,
    experts: Experts?, slices gatherer: SliceGatherer? = nil, phases: PhaseRecorder? = nil,
    kept: KeptActivations = .none
  ) {
    (self.description, self.compute, self.phases) = (description, compute, phases)
    (self.weights, self.kept) = (weights, kept)
    headRecord = StreamRecord.ofHead(description, kept)
    self.gatherer = gatherer
    embeddingRanges = gatherer?.slice.ranges(of: description.vocabularySize) ?? []
    stream = ResidualStream(
      hiddenSize: description.hiddenSize, epsilon: description.normEpsilon, rowFormat: weights.rowFormat,
      compute: compute, residual: description.residual)
    rotary = RotaryAngles(description.rotary, compute: compute)
    entryRotary = description.entryRotary.map { RotaryAngles($0, compute: compute) }
    var assembly = LayerAssembly(
      description: description, weights: weights, compute: compute, cache: cache, rotary: rotary,
      entryRotary: entryRotary, experts: experts, kept: kept, gatherer: gatherer)
    layers = weights.runLayers.indices.map { assembly.layer($0) }
    entry = gatherer == nil ? nil : assembly.entry(0)
    head = OutputHead(
      norm: weights.finalNorm, weights.head, rowFormat: weights.rowFormat, epsilon: description.normEpsilon,
      compute: compute, slices: assembly.slices(of: description.vocabularySize))
    prediction = weights.prediction.map {
      PredictionModule(
        $0, hiddenSize: description.hiddenSize, head: weights.head, rowFormat: weights.rowFormat,
        epsilon: description.normEpsilon, compute: compute, residual: description.residual,
        record: StreamRecord.ofHead(description, kept), slices: assembly.outputSlices(),
        vocabulary: assembly.slices(of: description.vocabularySize))
    }
    if let blocks = description.blockDrafting, let drafting = weights.blockDrafting {
      drafter = BlockDrafter(
        blocks, drafting, layers: layers[description.layerCount...], hiddenSize: description.hiddenSize,
        head: weights.head, rowFormat: weights.rowFormat, epsilon: description.normEpsilon,
        residual: description.residual, compute: compute)
    } else {
      drafter = nil
    }
  }

  /// Feeds a batch through the model, extending the cache. Collective over the ranks of the experts; the batch may be
  /// empty. The router's decisions are noted in `routing`.
  package func forward(_ batch: DecoderBatch, routing: RoutingTrace? = nil) throws -> DecoderOutput {
    let pass = ForwardPass(batch: batch, routing: routing)
    phases?.enter(.embedding)
    try embed(batch, into: stream)
    drafter?.begin(rows: batch.tokens.count)
    for index in description.layers.indices {
      try forward(index, stream, pass)
      drafter?.take(stream.hidden, ofLayer: index)
    }
    phases?.enter(.head)
    stream.contract(weights.headConnection, keeping: headRecord)
    let output = head.forward(stream, batch)
    try gatherer?.check()
    return output
  }

  /// Runs the multi-token prediction module, if there is one, over the rows of the batch that went through the model
  /// last; `next` is the token after each. Collective, as `forward`.
  package func predict(_ batch: DecoderBatch, next: UnsafePointer<Int32>, routing: RoutingTrace? = nil) throws {
    guard let prediction else { return }
    phases?.enter(.embedding)
    let rows = stream.hidden.rowCount
    let embeddings = prediction.begin(rows: rows)
    if rows > 0 { try embed(UnsafeBufferPointer(start: next, count: rows), into: embeddings) }
    prediction.join(hidden: stream.hidden, finalNorm: weights.finalNorm)
    try forward(description.layerCount, prediction.stream, ForwardPass(batch: batch, routing: routing))
    prediction.end()
  }

  /// What the prediction module takes for the most probable token after the next one, for rows of the batch that
  /// `predict` went over last: replaces `tokens` by one for each; -1 where its logits are not finite. Of equals the
  /// lowest id. Collective where ranks share out the vocabulary.
  package func predictions(ofRows rows: [Int], into tokens: inout [Int32]) throws {
    tokens.removeAll(keepingCapacity: true)
    prediction?.greatest(ofRows: rows, into: &tokens)
    try gatherer?.check()
  }

  /// How many tokens the modules guess at once, where there are such.
  package var blockSize: Int? { drafter?.blocks.blockSize }

  /// Has modules that draft blocks read the rows of the batch that went through the model last.
  package func readAhead(_ batch: DecoderBatch) {
    guard let drafter else { return }
    phases?.enter(.attention, layer: description.layerCount)
    drafter.read(batch)
  }

  /// Has modules draft: each chunk of the batch is a block of `blockSize` rows, its sequence's last token and noise,
  /// from the position of that on. Replaces `tokens` by as many guesses for each, -1 from where there are none.
  /// Collective, as `forward`.
  package func draftBlocks(_ batch: DecoderBatch, into tokens: inout [Int32]) throws {
    try runBlocks(batch)
    drafter?.guess(batch, into: &tokens)
  }

  /// As `draftBlocks`, but for the guesses: the head's logits `[rows, vocabulary]`, which nothing was added to; valid
  /// until the next call.
  package func blockLogits(_ batch: DecoderBatch) throws -> MatrixView<Float>? {
    try runBlocks(batch)
    drafter?.stream.contract(weights.blockDrafting?.headConnection)
    return drafter?.logits(batch)
  }

  private func runBlocks(_ batch: DecoderBatch) throws {
    guard let drafter else { return }
    phases?.enter(.embedding)
    try embed(batch, into: drafter.stream)
    let pass = ForwardPass(batch: batch, routing: nil)
    for index in description.layerCount..<layers.count { try forward(index, drafter.stream, pass) }
    phases?.enter(.head)
  }

  private func forward(_ index: Int, _ stream: ResidualStream, _ pass: ForwardPass) throws {
    let layer = layers[index]
    if let (first, second) = layer.records {
      first.reserve(rows: pass.rowCount)
      second.reserve(rows: pass.rowCount)
    }
    phases?.enter(.attention, layer: index)
    layer.mixer.forward(stream, pass)
    phases?.enter(layer.feedForward.phase, layer: index)
    try layer.feedForward.forward(stream, pass)
    latest = index
  }

  /// The residual stream, `[rows, hidden]`, or all of several: after the last layer, until a layer's stages are asked
  /// for.
  package var hidden: MatrixView<Float> { stream.hidden }
  /// What the last norm reads, `[rows, hidden]`: the residual stream, or the sum of several; until a layer's stages are
  /// asked for.
  package var output: MatrixView<Float> { stream.output }
  /// What that sum came from; nil where there is one stream, or nothing is kept.
  package var headTape: StreamTape? { headRecord?.tape(rows: stream.hidden.rowCount) }
  /// What the positions of the last batch turn queries and keys by.
  package func angles(rows: Int) -> RotaryTape { rotary.tape(rows: rows) }
  /// The same of layers that attend to entries of several tokens; nil where there are none.
  package func entryAngles(rows: Int) -> RotaryTape? { entryRotary?.tape(rows: rows) }

  /// What a layer left behind when `batch` went through it last; nil where nothing is kept. Where only inputs are, the
  /// layer computes its stages again: collective then, and valid until another layer is asked for. Ask from the last
  /// layer to the first.
  package func tape(ofLayer index: Int, _ batch: DecoderBatch) throws -> LayerTape? {
    let (layer, rows) = (layers[index], batch.tokens.count)
    let stream = index == description.layerCount ? prediction?.stream ?? stream : stream
    if kept == .inputs, index != latest {
      if rows > 0, let input = layer.input?.view(rows: rows) {
        let hidden = stream.hidden
        compute.pool.run { worker in
          for row in compute.share(of: rows, worker: worker) {
            hidden[row].update(from: input[row], count: input.columns)
          }
        }
      }
      try forward(index, stream, ForwardPass(batch: batch, routing: nil))
    }
    guard let mixer = layer.mixer.tape(rows: rows), let feedForward = layer.feedForward.tape(rows: rows) else {
      return nil
    }
    return LayerTape(
      mixer: mixer, feedForward: feedForward,
      streams: layer.records.map { ($0.mixer.tape(rows: rows), $0.feedForward.tape(rows: rows)) })
  }

  /// What the prediction module left behind, but for its layer's stages; nil where there is none.
  package var predictionTape: PredictionTape? { prediction?.tape(after: stream.hidden) }

  /// Logits of some rows of the last batch, and the norms `[rows, hidden]` that they were made from; valid until the
  /// next call. `ahead`: those of the prediction module, which guesses the token after the next one.
  package func logits(
    ofRows rows: Range<Int>, ahead: Bool = false
  ) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    guard ahead, let prediction else { return head.logits(stream, rows: Array(rows)) }
    return prediction.logits(ofRows: Array(rows))
  }

  private func embed(_ batch: DecoderBatch, into stream: ResidualStream) throws {
    stream.begin(rows: batch.tokens.count)
    rotary.reserve(rows: batch.tokens.count)
    entryRotary?.reserve(rows: batch.tokens.count)
    guard !batch.tokens.isEmpty else { return }
    try batch.tokens.withUnsafeBufferPointer { tokens in
      try embed(tokens, into: stream.hidden, next: entry) { worker in
        for row in compute.share(of: tokens.count, worker: worker) { stream.spread(row: row) }
        rotary.prepare(batch, worker: worker)
        entryRotary?.prepare(batch, worker: worker)
      }
    }
  }

  /// Writes the tokens' embeddings to `rows`, and has each worker do `then` after its share of them. Collective where
  /// ranks share out the vocabulary.
  private func embed(
    _ tokens: UnsafeBufferPointer<Int32>, into rows: MatrixView<Float>, next: NextWeights? = nil,
    then: (Int) -> Void = { _ in }
  ) throws {
    let embedding = weights.embedding
    let own = gatherer.map { embeddingRanges[$0.slice.rank] } ?? 0..<embedding.rows
    compute.pool.run { worker in
      for row in compute.share(of: tokens.count, worker: worker) {
        let token = Int(tokens[row])
        if own.contains(token) { embedding.expand(row: token - own.lowerBound, into: rows[row]) }
      }
      then(worker)
    }
    guard let gatherer else { return }
    for (row, token) in tokens.enumerated() {
      guard let owner = embeddingRanges.firstIndex(where: { $0.contains(Int(token)) }) else { continue }
      gatherer.exchange.add(SlicePiece(MatrixView(rows[row], rows: 1, columns: rows.columns)), from: owner)
    }
    try gatherer.run(compute, fetching: next)
  }
}

/// What a step's rows came to; valid until the next step.
package struct DecoderOutput {
  /// Hidden states after the last norm, `[rows that want them, hidden]`.
  package let states: UnsafeBufferPointer<Float>
  /// `[rows that want them, vocabulary]`
  package let logits: UnsafeMutableBufferPointer<Float>
}

/// One layer of a decoder.
struct DecoderLayer {
  let mixer: any SequenceMixer
  let feedForward: any FeedForwardLayer
  /// Where its input is kept.
  let input: RowStorage<Float>?
  /// What is kept of several residual streams around each half.
  var records: (mixer: StreamRecord, feedForward: StreamRecord)? = nil
}
