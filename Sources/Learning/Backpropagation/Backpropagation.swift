import Gradients
import Kernels
import MoEModel
import Telemetry
import Tensors

/// The backward pass of a model: from what the forward pass left behind (`LayerTape`), and the gradient of the loss by
/// the final hidden states, to the gradients of all parameters.
///
/// The mirror of `Decoder.forward`: layers from the last to the first, each adding to the gradient of the residual
/// stream. Collective over the ranks of the experts.
package final class Backpropagation {
  private let description: DecoderDescription
  private let parts: BackwardParts
  private let layers: [(mixer: any MixerBackward, feedForward: any FeedForwardBackward)]
  private let head: HeadBackward
  private let prediction: PredictionBackward?
  /// Nil where the residual is plain.
  private let streams: StreamBackward?

  /// `experts` must be given for a model with MoE layers: an `ExpertBackward`, with an account or without, and what
  /// brings rows `[hidden]` in fp32 to experts, and `[hidden + topK]` back.
  package init(
    _ description: DecoderDescription, values: any ParameterValues, gradients: LeafGradients, compute: GradientCompute,
    experts: Decoder.Experts?, phases: PhaseRecorder? = nil
  ) {
    self.description = description
    let parts = BackwardParts(description, values: values, gradients: gradients, compute: compute, phases: phases)
    self.parts = parts
    let streams: StreamBackward? =
      switch description.residual {
      case .plain: nil
      case .hyper(let shape): StreamBackward(shape, description, parts)
      }
    self.streams = streams
    head = HeadBackward(description, parts, streams)
    prediction = description.predicts ? PredictionBackward(description, parts, streams) : nil
    layers = description.runLayers.enumerated().map { index, layer in
      let mixer: any MixerBackward =
        switch layer.attention {
        case .latent(let shape): LatentAttentionBackward(index, shape, window: layer.slidingWindow, parts)
        case .grouped(let shape):
          GroupedAttentionBackward(
            index, shape, scale: layer.attention.softmaxScale, window: layer.slidingWindow, rotates: layer.rotates,
            epsilon: description.normEpsilon, parts)
        case .delta(let shape):
          GatedDeltaBackward(index, shape, scale: layer.attention.softmaxScale, epsilon: description.normEpsilon, parts)
        case .compressed(let shape):
          CompressedAttentionBackward(
            index, shape, scale: layer.attention.softmaxScale, epsilon: description.normEpsilon, parts)
        }
      let feedForward: any FeedForwardBackward
      if let moe = description.moe, layer.isMoE, let experts {
        feedForward = MoEBackward(index, moe, experts, routesByToken: layer.routesByToken, parts)
      } else {
        feedForward = DenseBackward(index, parts)
      }
      return (mixer, feedForward)
    }
  }

  /// Computes the loss of the decoder's last batch and all gradients. `next`: the token after each row's, which the
  /// prediction module was given; each row's `rowLoss` counts `objective.factor` times. `whole` is called when the
  /// gradients of a layer's parameters are, but for experts', and something else is about to be computed while they may
  /// travel: with the number of the layer, from the last to the second one, but first of all with nil for parameters
  /// of no layer, and a prediction module's, but for the embedding's. On every rank alike.
  package func run(
    _ decoder: Decoder, _ batch: DecoderBatch, next: UnsafePointer<Int32>, targets: Targets, _ rowLoss: any RowLoss,
    objective: Objective, whole: (_ layer: Int?) throws -> Void = { _ in }
  ) throws -> StepLoss {
    let rows = batch.tokens.count
    parts.begin(rows: rows, decoder.angles(rows: rows), entries: decoder.entryAngles(rows: rows))
    parts.phases?.enter(.head)
    var loss = try head.run(decoder, targets: targets, rowLoss, objective: objective)
    if let prediction, let tape = decoder.predictionTape {
      try prediction.begin(tape)
      try back(through: description.layerCount, decoder, batch, objective, &loss) {}
      parts.phases?.enter(.head)
      try prediction.end(tape)
    }
    try head.end(decoder, adding: prediction?.states)
    for index in description.layers.indices.reversed() {
      try back(through: index, decoder, batch, objective, &loss) {
        try whole(index + 1 < description.layers.count ? index + 1 : nil)
      }
    }
    parts.phases?.enter(.embedding)
    streams?.backThroughCopies()
    try embed(batch, next: next)
    return loss
  }

  /// `between`: what is done before the layer's first half, in which ranks do not speak to each other.
  private func back(
    through index: Int, _ decoder: Decoder, _ batch: DecoderBatch, _ objective: Objective, _ loss: inout StepLoss,
    between: () throws -> Void
  ) throws {
    guard let tape = try decoder.tape(ofLayer: index, batch) else {
      preconditionFailure("a decoder that keeps nothing")
    }
    let halves = streams.flatMap { streams in tape.streams.map { (streams, $0) } }
    if let (streams, own) = halves { streams.begin(own.feedForward, of: .feedForward, layer: index) }
    try layers[index].feedForward.run(tape.feedForward, objective: objective, loss: &loss)
    if let (streams, own) = halves { try streams.end(own.feedForward, of: .feedForward, layer: index) }
    parts.phases?.enter(.attention, layer: index)
    try between()
    if let (streams, own) = halves { streams.begin(own.mixer, of: .attention, layer: index) }
    try layers[index].mixer.run(tape.mixer)
    if let (streams, own) = halves { try streams.end(own.mixer, of: .attention, layer: index) }
  }

  /// The gradient of the embedding: each leaf's rows, by token and position, and then those of the prediction module.
  private func embed(_ batch: DecoderBatch, next: UnsafePointer<Int32>) throws {
    let (stream, ahead, hidden) = (parts.stream, prediction?.embeddings, description.hiddenSize)
    let compute = parts.compute.compute
    try batch.tokens.withUnsafeBufferPointer { tokens in
      try parts.gradients.addRows(ParameterID(.embedding), width: hidden) { rows in
        rows.map { Int(tokens[$0]) } + (ahead == nil ? [] : rows.map { Int(next[$0]) })
      } _: { rows, part, columns in
        let (first, count) = (columns.lowerBound, columns.count)
        for row in rows {
          compute.add(stream[row] + first, to: part + Int(tokens[row]) * hidden + first, count: count)
        }
        guard let ahead else { return }
        for row in rows { compute.add(ahead[row] + first, to: part + Int(next[row]) * hidden + first, count: count) }
      }
    }
  }
}

/// What is minimised.
package struct Objective: Sendable {
  /// Of the sum of the rows' losses: one over the number of tokens predicted in the whole step.
  package var factor: Float
  /// Of the sum of the prediction module's losses: λ over the number of tokens that it predicts in the whole step.
  package var aheadFactor: Float = 0
  /// α of the sequence balance loss (DeepSeek-V3, section 2.1.2); 0 for none.
  package var balance: Float = 0
  /// Of the square of a router's log Σ e^logit, as a mean over tokens; 0 for none.
  package var routerZLoss: Float = 0

  package init(factor: Float) { self.factor = factor }
}

/// What this rank's leaves lost, in order of leaf.
package struct StepLoss: Sendable, Equatable {
  /// −Σ log p(target), by leaf.
  package var crossEntropy: [Double]
  /// The balance losses of all layers, by leaf.
  package var balance: [Double]
  /// Tokens predicted, by leaf.
  package var predicted: [Int]
  /// The same of the prediction module; empty without one.
  package var ahead: [Double] = []
  package var predictedAhead: [Int] = []
  /// By layer, how many tokens chose each expert.
  package var loads: [Int: [Int]] = [:]

  /// Of no leaves.
  package init() { (crossEntropy, balance, predicted) = ([], [], []) }

  mutating func append(_ leaf: (sum: Double, predicted: Int)) {
    crossEntropy.append(leaf.sum)
    predicted.append(leaf.predicted)
    balance.append(0)
  }

  mutating func appendAhead(_ leaf: (sum: Double, predicted: Int)) {
    ahead.append(leaf.sum)
    predictedAhead.append(leaf.predicted)
  }
}
