/// Which experts of one rank were visited, by layer.
package struct ExpertLoad: Sendable {
  package let expertCount: Int
  /// Sums over steps: visits, and distinct experts, of each layer.
  package var visits: [Int]
  package var distinct: [Int]
  /// Visits `[layer][expert]`, of this rank's experts.
  package var byExpert: [Int32]
  /// Of all visits, whoever's experts got them, those of this rank's drafts that were wrong, `[layer][expert]`: work
  /// that was done, but for no token of a text.
  package var rejected: [Int32]

  /// Nothing counted yet, of so many layers with so many experts each.
  package init(layerCount: Int, expertCount: Int) {
    self.expertCount = expertCount
    visits = Array(repeating: 0, count: layerCount)
    distinct = visits
    byExpert = Array(repeating: 0, count: layerCount * expertCount)
    rejected = byExpert
  }

  /// Counts one layer of one step; `experts` has an id for each visit.
  package mutating func count(layer: Int, experts: UnsafeBufferPointer<Int32>, distinct count: Int) {
    guard visits.indices.contains(layer) else { return }
    visits[layer] += experts.count
    distinct[layer] += count
    for expert in experts { byExpert[layer * expertCount + Int(expert)] &+= 1 }
  }

  /// Counts what drafts that were wrong chose in one layer.
  package mutating func countRejected(layer: Int, experts: some Sequence<Int32>) {
    guard visits.indices.contains(layer) else { return }
    for expert in experts { rejected[layer * expertCount + Int(expert)] &+= 1 }
  }

  package mutating func clear() {
    for i in visits.indices { (visits[i], distinct[i]) = (0, 0) }
    for i in byExpert.indices { (byExpert[i], rejected[i]) = (0, 0) }
  }
}
