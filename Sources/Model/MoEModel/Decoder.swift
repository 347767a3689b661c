import Kernels
import Telemetry
import Tensors

/// A model that runs: embedding, layers, head.
package final class Decoder {
  package let description: DecoderDescription
  /// Keeps the memory alive that the layers' matrices lie in.
  private let weights: ModelWeights
  private let stream: ResidualStream
  private let rotary: RotaryAngles
  private let layers: [DecoderLayer]
  private let head: OutputHead
  private let compute: Compute
  private let phases: PhaseRecorder?

  /// What MoE layers need beside weights: this rank's experts, and the way to and from others'.
  package struct Experts {
    let experts: any RoutedExperts
    let dispatcher: any ExpertDispatcher

    package init(_ experts: any RoutedExperts, through dispatcher: any ExpertDispatcher) {
      (self.experts, self.dispatcher) = (experts, dispatcher)
    }
  }

  /// `experts` must be given for a model with MoE layers. With `keepsActivations` a forward pass leaves its tape behind.
  package init(
    _ description: DecoderDescription, weights: ModelWeights, compute: Compute, cache: KeyValueCache,
    experts: Experts?, phases: PhaseRecorder? = nil, keepsActivations: Bool = false
  ) {
    (self.description, self.compute, self.phases) = (description, compute, phases)
    self.weights = weights
    stream = ResidualStream(
      hiddenSize: description.hiddenSize, epsilon: description.normEpsilon, rowFormat: weights.rowFormat,
      compute: compute)
    rotary = RotaryAngles(description.rotary, compute: compute)
    var assembly = LayerAssembly(
      description: description, weights: weights, compute: compute, cache: cache, rotary: rotary, experts: experts,
      keepsActivations: keepsActivations)
    layers = weights.layers.indices.map { assembly.layer($0) }
    head = OutputHead(
      norm: weights.finalNorm, weights.head, rowFormat: weights.rowFormat, epsilon: description.normEpsilon,
      compute: compute)
  }

  /// Feeds a batch through the model, extending the cache. Collective over the ranks of the experts; the batch may be empty.
  /// The router's decisions are noted in `routing`.
  package func forward(_ batch: DecoderBatch, routing: RoutingTrace? = nil) throws -> DecoderOutput {
    let pass = ForwardPass(batch: batch, routing: routing)
    phases?.enter(.embedding)
    embed(batch)
    for (index, layer) in layers.enumerated() {
      phases?.enter(.attention, layer: index)
      layer.mixer.forward(stream, pass)
      phases?.enter(layer.feedForward.phase, layer: index)
      try layer.feedForward.forward(stream, pass)
    }
    phases?.enter(.head)
    return head.forward(stream, batch)
  }

  /// What the last forward pass, of so many rows, left behind; nil where nothing is kept.
  package func tape(rows: Int) -> DecoderTape? {
    var tapes: [LayerTape] = []
    for layer in layers {
      guard let mixer = layer.mixer.tape(rows: rows), let feedForward = layer.feedForward.tape(rows: rows) else {
        return nil
      }
      tapes.append(LayerTape(mixer: mixer, feedForward: feedForward))
    }
    return DecoderTape(layers: tapes, hidden: stream.hidden, angles: rotary.tape(rows: rows))
  }

  /// Logits of some rows of the last batch, and the norms `[rows, hidden]` that they were made from; valid until the next call.
  package func logits(ofRows rows: Range<Int>) -> (normed: MatrixView<Float>, logits: MatrixView<Float>) {
    head.logits(stream, rows: Array(rows))
  }

  private func embed(_ batch: DecoderBatch) {
    stream.begin(rows: batch.tokens.count)
    rotary.reserve(rows: batch.tokens.count)
    guard !batch.tokens.isEmpty else { return }
    let (hidden, embedding) = (stream.hidden, weights.embedding)
    compute.pool.run { worker in
      for row in compute.share(of: batch.tokens.count, worker: worker) {
        embedding.expand(row: Int(batch.tokens[row]), into: hidden[row])
      }
      rotary.prepare(batch, worker: worker)
    }
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
}
