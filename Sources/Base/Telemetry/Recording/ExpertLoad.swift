/// Which experts of one rank were visited, by layer.
package struct ExpertLoad: Sendable {
  package let expertCount: Int
  /// Sums over steps: visits, and distinct experts, of each layer.
  package var visits: [Int]
  package var distinct: [Int]
  /// Visits `[layer][expert]`, of this rank's experts.
  package var byExpert: [Int32]

  package init(layerCount: Int, expertCount: Int) {
    self.expertCount = expertCount
    visits = Array(repeating: 0, count: layerCount)
    distinct = visits
    byExpert = Array(repeating: 0, count: layerCount * expertCount)
  }

  /// Counts one layer of one step; `experts` has an id for each visit.
  package mutating func count(layer: Int, experts: UnsafeBufferPointer<Int32>, distinct count: Int) {
    guard visits.indices.contains(layer) else { return }
    visits[layer] += experts.count
    distinct[layer] += count
    for expert in experts { byExpert[layer * expertCount + Int(expert)] &+= 1 }
  }

  package mutating func clear() {
    for i in visits.indices { (visits[i], distinct[i]) = (0, 0) }
    for i in byExpert.indices { byExpert[i] = 0 }
  }
}
