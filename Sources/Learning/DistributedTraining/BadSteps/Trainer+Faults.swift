import Fabric
import MoEModel
import Tensors

/// Finds out where a step went wrong.
extension Trainer {
  /// What is wrong with the step just computed; nil for nothing. Collective.
  func fault(_ total: TotalLoss, badGradient: String?) throws -> StepFault? {
    guard total.crossEntropy.isFinite, total.ahead.isFinite else {
      return .loss(sequence: total.firstBad, place: try firstBadPlace())
    }
    return badGradient.map { .gradient(tensor: $0) }
  }

  /// The weights, the embedding, the layer or the head that first gave what is not finite, of any rank's rows: the pass
  /// is computed again for it. Collective.
  private func firstBadPlace() throws -> String? {
    if let weights = try model.firstNotFinite() { return weights }
    let rows = batch.decoderBatch.tokens.count
    func isBad(_ stream: MatrixView<Float>) -> Bool {
      (0..<rows).contains { !TrainedModel.isBelow(TrainedModel.infinity, stream[$0], count: stream.columns) }
    }
    _ = try decoder.forward(batch.decoderBatch)
    // What the last layer gave, and what went into each; layers are asked for from the last to the first.
    var first = isBad(decoder.hidden) ? description.layerCount : description.layerCount + 1
    for layer in (0..<description.layerCount).reversed() {
      guard let mixer = try decoder.tape(ofLayer: layer, batch.decoderBatch)?.mixer else { continue }
      let input =
        switch mixer {
        case .latent(let tape): tape.input
        case .grouped(let tape): tape.input
        case .delta(let tape): tape.input
        case .compressed(let tape): tape.input
        }
      if isBad(input) { first = layer }
    }
    switch Int(try communicator.allReduceMin(Int64(first))) {
    case 0: return "the embedding"
    case let stage where stage <= description.layerCount: return "the output of layer \(stage - 1)"
    default: return description.predicts ? "the head or the prediction module" : "the head"
    }
  }
}
