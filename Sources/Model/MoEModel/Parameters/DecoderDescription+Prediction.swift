import Checkpoints

extension DecoderDescription {
  /// Holds the first multi-token prediction module against its shapes; throws on the first tensor that is missing or
  /// has another.
  package func checkPrediction(in checkpoint: any Checkpoint) throws {
    let description = predicting()
    let stored = StoredParameters(description, checkpoint: checkpoint, workerCount: 1)
    for spec in description.parameters(ofLayer: layerCount) where stored.table.holder(of: spec.id) == spec.id {
      _ = try stored.find(spec)
    }
  }
}
