import MoEModel

extension RoutingTrace {
  /// What was decided for some rows of the step's batch.
  func rows(_ rows: Range<Int>) -> [ScoredChunk.RoutedLayer] {
    layers.map { layer in
      let range = (rows.lowerBound * layer.topK)..<(rows.upperBound * layer.topK)
      return ScoredChunk.RoutedLayer(
        layer: layer.layer, experts: Array(layer.experts[range]), weights: Array(layer.weights[range]))
    }
  }
}
