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

  /// Of this step the first `count`; the others are kept for the memory of their arrays.
  private var noted: [Layer] = []
  private var count = 0

  package var layers: ArraySlice<Layer> { noted[..<count] }

  package init() {}

  /// Forgets the last step.
  package func clear() { count = 0 }

  func add(layer: Int, rows: Int, _ decisions: RouterDecisions) {
    let choices = rows * decisions.topK
    if count == noted.count { noted.append(Layer(layer: layer, topK: 0, experts: [], weights: [])) }
    (noted[count].layer, noted[count].topK) = (layer, decisions.topK)
    noted[count].experts.removeAll(keepingCapacity: true)
    noted[count].experts.append(contentsOf: UnsafeBufferPointer(start: decisions.experts.pointer, count: choices))
    noted[count].weights.removeAll(keepingCapacity: true)
    noted[count].weights.append(contentsOf: UnsafeBufferPointer(start: decisions.weights.pointer, count: choices))
    count += 1
  }

  /// The experts of some of the step's rows, `[row][layer][choice]`.
  package func byRow(_ rows: [Int]) -> [Int32] {
    var choices: [Int32] = []
    choices.reserveCapacity(rows.count * layers.reduce(0) { $0 + $1.topK })
    for row in rows {
      for layer in layers { choices.append(contentsOf: layer.experts[(row * layer.topK)..<((row + 1) * layer.topK)]) }
    }
    return choices
  }
}
