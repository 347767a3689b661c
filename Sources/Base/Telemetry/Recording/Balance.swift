/// How evenly the ranks shared each layer's visits and experts, step by step: a step waits for the rank with the most.
package struct Balance: Sendable {
  package struct Layer: Sendable, Equatable {
    package var steps = 0
    /// Sums over steps of the greatest and the mean of all ranks.
    package var maxVisits = 0.0
    package var meanVisits = 0.0
    package var maxExperts = 0.0
    package var meanExperts = 0.0

    package init() {}

    /// Greatest over mean; 1 where nothing was visited.
    package var visitImbalance: Double { meanVisits > 0 ? maxVisits / meanVisits : 1 }
    package var expertImbalance: Double { meanExperts > 0 ? maxExperts / meanExperts : 1 }
  }

  package private(set) var layers: [Layer]
  // Of the step being counted.
  private var maxVisits: [Int32]
  private var sumVisits: [Int]
  private var maxExperts: [Int32]
  private var sumExperts: [Int]
  private var ranks = 0

  /// Nothing counted yet, of so many layers.
  package init(layerCount: Int) {
    layers = Array(repeating: Layer(), count: layerCount)
    maxVisits = Array(repeating: 0, count: layerCount)
    sumVisits = Array(repeating: 0, count: layerCount)
    (maxExperts, sumExperts) = (maxVisits, sumVisits)
  }

  /// Adds one rank's step; arrays of another length than the layers' are ignored.
  package mutating func add(visits: [Int32], experts: [Int32]) {
    guard visits.count == layers.count, experts.count == layers.count else { return }
    ranks += 1
    for layer in layers.indices {
      maxVisits[layer] = max(maxVisits[layer], visits[layer])
      maxExperts[layer] = max(maxExperts[layer], experts[layer])
      sumVisits[layer] += Int(visits[layer])
      sumExperts[layer] += Int(experts[layer])
    }
  }

  /// Ends the step, and tells what it added.
  @discardableResult
  package mutating func endStep() -> BusiestRank {
    var step = BusiestRank()
    guard ranks > 0 else { return step }
    for layer in layers.indices {
      if sumVisits[layer] > 0 {
        layers[layer].steps += 1
        let (most, mean) = (Double(maxVisits[layer]), Double(sumVisits[layer]) / Double(ranks))
        let (mostExperts, meanExperts) = (Double(maxExperts[layer]), Double(sumExperts[layer]) / Double(ranks))
        layers[layer].maxVisits += most
        layers[layer].meanVisits += mean
        layers[layer].maxExperts += mostExperts
        layers[layer].meanExperts += meanExperts
        step.maxVisits += most
        step.meanVisits += mean
        step.maxExperts += mostExperts
        step.meanExperts += meanExperts
      }
      (maxVisits[layer], sumVisits[layer], maxExperts[layer], sumExperts[layer]) = (0, 0, 0, 0)
    }
    ranks = 0
    return step
  }
}
