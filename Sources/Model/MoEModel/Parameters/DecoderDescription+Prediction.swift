import Checkpoints

extension DecoderDescription {
  /// Holds the first multi-token prediction module, or all that draft blocks together, against their shapes; throws on
  /// the first tensor that is missing or has another, and on those that nobody would read where the module must have
  /// none.
  package func checkPrediction(in checkpoint: any Checkpoint) throws {
    let predicting = predicting()
    for layer in layerCount..<(layerCount + predicting.predictionLayerCount) {
      let use = try TensorUse(predicting, layer: layer, checkpoint: checkpoint)
      let extra = use.unread(in: checkpoint).map(\.name).filter(names.isInFirstModule)
      guard extra.isEmpty else { throw ModelError.unreadTensors(extra) }
    }
  }
}
