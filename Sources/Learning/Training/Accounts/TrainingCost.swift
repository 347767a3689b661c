/// What a training costs in the columns that DeepSeek-V3's own table has.
package struct TrainingCost: Sendable, Equatable {
  package var tokens: Double
  /// Hours of one node, or of one processor where those are counted.
  package var nodeHours: Double
  /// Dollars an hour; nil where nobody said.
  package var nodePrice: Double?
  /// Watts that a node draws; nil where nobody said.
  package var nodeWatts: Double?

  package init(tokens: Double, nodeHours: Double, nodePrice: Double? = nil, nodeWatts: Double? = nil) {
    (self.tokens, self.nodeHours, self.nodePrice, self.nodeWatts) = (tokens, nodeHours, nodePrice, nodeWatts)
  }

  /// What a node takes: dollars an hour and watts, where somebody said.
  package struct Rates: Sendable, Equatable {
    package var nodePrice: Double?
    package var nodeWatts: Double?

    package init(nodePrice: Double? = nil, nodeWatts: Double? = nil) {
      (self.nodePrice, self.nodeWatts) = (nodePrice, nodeWatts)
    }

    /// Throws for a price or a power that is none.
    package func check() throws(TrainingError) { try TrainingCost.check(nodePrice: nodePrice, nodeWatts: nodeWatts) }
  }

  package init(tokens: Double, nodeHours: Double, _ rates: Rates) {
    self.init(tokens: tokens, nodeHours: nodeHours, nodePrice: rates.nodePrice, nodeWatts: rates.nodeWatts)
  }

  /// Of `tokens` at so many a second on `nodes` nodes together.
  package init(
    tokens: Double, tokensPerSecond: Double, nodes: Int, nodePrice: Double? = nil, nodeWatts: Double? = nil
  ) {
    let seconds = tokensPerSecond > 0 ? tokens / tokensPerSecond : .infinity
    self.init(
      tokens: tokens, nodeHours: seconds * Double(nodes) / 3600, nodePrice: nodePrice, nodeWatts: nodeWatts)
  }

  package var dollars: Double? { nodePrice.map { nodeHours * $0 } }
  package var kilowattHours: Double? { nodeWatts.map { nodeHours * $0 / 1000 } }
  package var dollarsPerMillionTokens: Double? { dollars.map { tokens > 0 ? $0 / tokens * 1e6 : 0 } }

  /// Throws for a price (dollars an hour) or a power (watts) that is negative or not finite; nil is none.
  package static func check(nodePrice: Double?, nodeWatts: Double?) throws(TrainingError) {
    for (what, value) in [("the price of a node's hour", nodePrice), ("the power of a node", nodeWatts)] {
      guard let value, !(value >= 0 && value.isFinite) else { continue }
      throw .badOption(what, "\(value)", "give a number that is not negative")
    }
  }

  /// DeepSeek-V3 as its report has it (arXiv 2412.19437, table 1): 2.664 M hours of H800 for 14.8 T tokens, 119 K to
  /// extend the context, 5 K after that, at 2 dollars each, without research and earlier tries. Its power is not told.
  package static let deepSeekV3 = (
    pretraining: TrainingCost(tokens: 14.8e12, nodeHours: 2_664_000, nodePrice: 2),
    contextExtension: TrainingCost(tokens: 0, nodeHours: 119_000, nodePrice: 2),
    postTraining: TrainingCost(tokens: 0, nodeHours: 5000, nodePrice: 2),
    total: TrainingCost(tokens: 14.8e12, nodeHours: 2_788_000, nodePrice: 2)
  )
}
