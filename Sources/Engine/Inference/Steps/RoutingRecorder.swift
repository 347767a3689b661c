import MoEModel

/// Keeps the router's decisions of one step, where somebody wants them.
final class RoutingRecorder {
  private var layers: [(layer: Int, topK: Int, experts: [Int32], weights: [Float])] = []

  /// Forgets the last step, and listens to the decoder if `wanted`.
  func begin(wanted: Bool, decoder: Decoder) {
    layers.removeAll()
    guard wanted else {
      decoder.onRouting = nil
      return
    }
    decoder.onRouting = { [unowned self] layer, rows, decisions in
      let count = rows * decisions.topK
      layers.append(
        (
          layer, decisions.topK, Array(UnsafeBufferPointer(start: decisions.experts.pointer, count: count)),
          Array(UnsafeBufferPointer(start: decisions.weights.pointer, count: count))
        ))
    }
  }

  /// The experts of the step's first `count` rows, `[row][layer][choice]`.
  func byRow(count: Int) -> [Int32] {
    var choices: [Int32] = []
    choices.reserveCapacity(count * layers.reduce(0) { $0 + $1.topK })
    for row in 0..<count {
      for layer in layers { choices.append(contentsOf: layer.experts[(row * layer.topK)..<((row + 1) * layer.topK)]) }
    }
    return choices
  }

  /// What was decided for some rows of the step's batch.
  func rows(_ rows: Range<Int>) -> [ScoredChunk.RoutedLayer] {
    layers.map { layer in
      let range = (rows.lowerBound * layer.topK)..<(rows.upperBound * layer.topK)
      return ScoredChunk.RoutedLayer(
        layer: layer.layer, experts: Array(layer.experts[range]), weights: Array(layer.weights[range]))
    }
  }
}
