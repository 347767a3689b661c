/// A sequence of a step: the smallest part whose gradients are added up before those of others are.
package struct Leaf: Sendable, Equatable {
  /// Its number among the step's, over all ranks.
  package let number: Int
  /// Its rows of this rank's batch.
  package let rows: Range<Int>

  package init(number: Int, rows: Range<Int>) { (self.number, self.rows) = (number, rows) }
}
