/// What all ranks of a run counted.
package struct AccountOfRun: Sendable {
  /// In the order of ranks.
  package var ranks: [RankAccount]
  /// How even the ranks' shares were, `[kind][layer]`.
  package var balances: [[Balance.Layer]]

  package init(ranks: [RankAccount], balances: [[Balance.Layer]]) {
    self.ranks = ranks
    self.balances = balances
  }

  /// How often the tokens of texts visited each expert of a layer, on whichever rank; drafts that were wrong do not
  /// count.
  package func visits(layer: Int, expertCount: Int) -> [Int] {
    var visits = [Int](repeating: 0, count: expertCount)
    func add(_ pairs: [[[Int]]], _ sign: Int) {
      guard pairs.indices.contains(layer) else { return }
      for pair in pairs[layer] where pair.count == 2 && visits.indices.contains(pair[0]) {
        visits[pair[0]] += sign * pair[1]
      }
    }
    for kind in ranks.flatMap(\.kinds) {
      add(kind.experts, 1)
      add(kind.rejected, -1)
    }
    return visits.map { max(0, $0) }
  }
}
