import Tensors

/// The router's decisions of one step, where somebody wants them.
package final class RoutingTrace {
  /// One MoE layer's decisions, `[rows, topK]` each.
  package struct Layer {
    package var layer: Int
    package var topK: Int
    package var experts: [Int32]
    package var weights: [Float]
  }

  package private(set) var layers: [Layer] = []

  package init() {}

  /// Forgets the last step.
  package func clear() { layers.removeAll() }

  func add(layer: Int, rows: Int, _ decisions: RouterDecisions) {
    let count = rows * decisions.topK
    layers.append(
      Layer(
        layer: layer, topK: decisions.topK,
        experts: Array(UnsafeBufferPointer(start: decisions.experts.pointer, count: count)),
        weights: Array(UnsafeBufferPointer(start: decisions.weights.pointer, count: count))))
  }

  /// The experts of the step's first `count` rows, `[row][layer][choice]`.
  package func byRow(count: Int) -> [Int32] {
    var choices: [Int32] = []
    choices.reserveCapacity(count * layers.reduce(0) { $0 + $1.topK })
    for row in 0..<count {
      for layer in layers { choices.append(contentsOf: layer.experts[(row * layer.topK)..<((row + 1) * layer.topK)]) }
    }
    return choices
  }
}
