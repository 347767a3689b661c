/// How often the experts of each MoE layer were visited: what a placement is planned from.
package struct ExpertLoads: Sendable, Equatable {
  /// Layers of the model, ascending.
  package let layers: [Int]
  /// `[layer][expert]`, finite and not negative.
  package private(set) var visits: [[Double]]
  /// Steps in which they were counted; nil where nobody knows.
  package private(set) var steps: Double?

  package init(layers: [Int], visits: [[Double]], steps: Double? = nil) {
    precondition(layers.count == visits.count, "visits of other layers")
    (self.layers, self.visits, self.steps) = (layers, visits, steps)
  }

  package var expertCount: Int { visits.first?.count ?? 0 }
  package var total: Double { visits.joined().reduce(0, +) }

  /// What was counted since `earlier`; nil where that is of another model, or counts were begun anew meanwhile.
  package func since(_ earlier: ExpertLoads) -> ExpertLoads? {
    guard layers == earlier.layers, expertCount == earlier.expertCount else { return nil }
    var difference = self
    for layer in visits.indices {
      for expert in visits[layer].indices {
        let count = visits[layer][expert] - earlier.visits[layer][expert]
        guard count >= 0 else { return nil }
        difference.visits[layer][expert] = count
      }
    }
    if let steps, let before = earlier.steps { difference.steps = max(0, steps - before) }
    return difference
  }
}
