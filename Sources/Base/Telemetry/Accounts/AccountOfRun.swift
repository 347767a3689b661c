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
}
