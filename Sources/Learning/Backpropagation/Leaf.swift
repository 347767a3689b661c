/// A part of a step whose gradients are added up before those of others are: one sequence, or several that attend each
/// to itself.
package struct Leaf: Sendable, Equatable {
  /// Its number among the step's, over all ranks.
  package let number: Int
  /// Its rows of this rank's batch.
  package let rows: Range<Int>
  /// The rows of each of its sequences, ascending; together they are `rows`.
  package let sequences: [Range<Int>]

  /// A leaf of one sequence.
  package init(number: Int, rows: Range<Int>) { self.init(number: number, rows: rows, sequences: [rows]) }

  package init(number: Int, rows: Range<Int>, sequences: [Range<Int>]) {
    (self.number, self.rows, self.sequences) = (number, rows, sequences)
  }
}
