/// How much more than the mean the busiest rank had to do, layer by layer and step by step: the experts of a step take
/// that many times as long as they would if all ranks had the same.
package struct BusiestRank: Sendable, Equatable {
  /// Sums over layers and steps of the greatest and the mean of all ranks: visits, and distinct experts.
  package var maxVisits = 0.0
  package var meanVisits = 0.0
  package var maxExperts = 0.0
  package var meanExperts = 0.0

  package init() {}

  /// Of these layers together.
  package init(_ layers: [Balance.Layer]) {
    for layer in layers {
      maxVisits += layer.maxVisits
      meanVisits += layer.meanVisits
      maxExperts += layer.maxExperts
      meanExperts += layer.meanExperts
    }
  }

  /// Greatest over mean; 1 where nothing was visited.
  package var visits: Double { meanVisits > 0 ? maxVisits / meanVisits : 1 }
  package var experts: Double { meanExperts > 0 ? maxExperts / meanExperts : 1 }

  package static func += (sum: inout BusiestRank, other: BusiestRank) {
    sum.maxVisits += other.maxVisits
    sum.meanVisits += other.meanVisits
    sum.maxExperts += other.maxExperts
    sum.meanExperts += other.meanExperts
  }

  package static func -= (sum: inout BusiestRank, other: BusiestRank) {
    sum.maxVisits -= other.maxVisits
    sum.meanVisits -= other.meanVisits
    sum.maxExperts -= other.maxExperts
    sum.meanExperts -= other.meanExperts
  }
}
