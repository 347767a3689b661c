import Gradients
import Kernels
import MoEModel
import Tensors

/// The backward pass of a model: from what the forward pass left behind (`DecoderTape`), and the gradient of the loss by the
/// final hidden states, to the gradients of all parameters.
///
/// The mirror of `Decoder.forward`: layers from the last to the first, each adding to the gradient of the residual stream.
/// Collective over the ranks of the experts.
package final class Backpropagation {
  private let description: DecoderDescription
  private let parts: BackwardParts
  private let layers: [(mixer: any MixerBackward, feedForward: any FeedForwardBackward)]
  private let head: HeadBackward

  /// What backward passes of layers share.
  package struct Experts {
    let experts: ExpertBackward
    let dispatcher: any ExpertDispatcher

    /// `dispatcher` brings rows `[hidden]` in fp32 to experts, and `[hidden + topK]` back.
    package init(_ experts: ExpertBackward, through dispatcher: any ExpertDispatcher) {
      (self.experts, self.dispatcher) = (experts, dispatcher)
    }
  }

  /// `experts` must be given for a model with MoE layers.
  package init(
    _ description: DecoderDescription, values: any ParameterValues, gradients: LeafGradients, compute: GradientCompute,
    experts: Experts?
  ) {
    self.description = description
    let parts = BackwardParts(description, values: values, gradients: gradients, compute: compute)
    self.parts = parts
    head = HeadBackward(description, parts)
    layers = description.layers.indices.map { index in
      let layer = description.layers[index]
      let mixer: any MixerBackward =
        switch layer.attention {
        case .latent(let shape): LatentAttentionBackward(index, shape, window: layer.slidingWindow, parts)
        case .grouped(let shape):
          GroupedAttentionBackward(
            index, shape, scale: layer.attention.softmaxScale, window: layer.slidingWindow,
            epsilon: description.normEpsilon, parts)
        }
      let feedForward: any FeedForwardBackward
      if let mixture = description.mixture, layer.isMixture, let experts {
        feedForward = MixtureBackward(index, mixture, experts, parts)
      } else {
        feedForward = DenseBackward(index, parts)
      }
      return (mixer, feedForward)
    }
  }

  /// Computes the loss of the decoder's last batch and all gradients. `targets`: the token that follows each row, or a negative
  /// number for none; each row's loss counts `factor` times.
  package func run(
    _ decoder: Decoder, _ batch: DecoderBatch, targets: UnsafePointer<Int32>, objective: Objective
  ) throws -> StepLoss {
    let rows = batch.tokens.count
    guard let tape = decoder.tape(rows: rows) else { preconditionFailure("a decoder that keeps nothing") }
    parts.begin(rows: rows, tape.angles)
    var loss = try head.run(decoder, tape, targets: targets, objective: objective)
    for index in layers.indices.reversed() {
      let layer = tape.layers[index]
      try layers[index].feedForward.run(layer.feedForward, objective: objective, loss: &loss)
      try layers[index].mixer.run(layer.mixer)
    }
    try embed(batch)
    return loss
  }

  /// The gradient of the embedding: each leaf's rows, by token and position.
  private func embed(_ batch: DecoderBatch) throws {
    let (stream, hidden) = (parts.stream, description.hiddenSize)
    try parts.gradients.add(ParameterID(.embedding)) { rows, part in
      for row in rows {
        parts.compute.compute.add(stream[row], to: part + Int(batch.tokens[row]) * hidden, count: hidden)
      }
    }
  }
}

/// What is minimised.
package struct Objective: Sendable {
  /// Of the sum of the rows' losses: one over the number of tokens predicted in the whole step.
  package var factor: Float
  /// Of the square of a row's log Σ e^logit, as a mean over tokens; 0 for none.
  package var headZLoss: Float = 0
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

  /// Of no leaves.
  package init() { (crossEntropy, balance, predicted) = ([], [], []) }

  mutating func append(_ leaf: (sum: Double, predicted: Int)) {
    crossEntropy.append(leaf.sum)
    predicted.append(leaf.predicted)
    balance.append(0)
  }
}
