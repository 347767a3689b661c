import Fabric
import Gradients
import MoEModel
import Tensors
import TreeReduction

/// Gradients of the parameters that every rank holds, leaf by leaf: whatever rank has a leaf, its part is the same, and
/// so is the sum along the tree.
package final class LeafGradients {
  /// This rank's leaves, ascending.
  package private(set) var leaves: [Leaf] = []
  package let tree: LeafTree
  private let rank: Rank
  private let compute: GradientCompute
  private let counts: [ParameterID: Int]
  /// From how many numbers on workers share a sum.
  private static let sharedCount = 1 << 14
  private var sums: [ParameterID: LeafSums] = [:]

  /// `specs`: parameters that every rank holds. The head of a tied model is one of them: its part of the embedding's
  /// gradient.
  package init(_ specs: [ParameterSpec], tree: LeafTree, rank: Rank, compute: GradientCompute) {
    (self.tree, self.rank, self.compute) = (tree, rank, compute)
    counts = Dictionary(uniqueKeysWithValues: specs.map { ($0.id, $0.elementCount) })
  }

  /// Begins a step with these leaves.
  package func begin(_ leaves: [Leaf]) {
    self.leaves = leaves
    for sum in sums.values { sum.clear() }
  }

  /// All sequences of this rank, leaf by leaf.
  package var sequences: [Range<Int>] { leaves.flatMap(\.sequences) }
  /// Rows of the longest of them.
  package var longestSequence: Int { leaves.reduce(0) { $1.sequences.reduce($0) { max($0, $1.count) } } }

  /// What was added for a parameter: all leaves of this rank, once its backward pass is over.
  package func sums(of id: ParameterID) -> LeafSums {
    if let found = sums[id] { return found }
    let compute = compute.compute
    let made = LeafSums(tree, rank: rank, count: counts[id] ?? 0) { source, target, count in
      guard count >= Self.sharedCount else { return LeafSums.add(source, to: target, count: count) }
      compute.pool.run { worker in
        let share = compute.share(of: count, worker: worker)
        LeafSums.add(source + share.lowerBound, to: target + share.lowerBound, count: share.count)
      }
    }
    sums[id] = made
    return made
  }

  /// Whether there is such a parameter.
  package func holds(_ id: ParameterID) -> Bool { counts[id] != nil }

  /// Adds the parts of all leaves: `write` writes one into zeros of the parameter's shape. It is asked for that of a
  /// leaf without rows only where it is `ofEmpty` ones, too.
  package func add(
    _ id: ParameterID, ofEmpty: Bool = false,
    _ write: (_ rows: Range<Int>, _ part: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let sums = sums(of: id)
    for leaf in leaves {
      try sums.add(leaf.number) { part in
        if let start = part.baseAddress, ofEmpty || !leaf.rows.isEmpty { try write(leaf.rows, start) }
      }
    }
  }

  /// The same for who can add a leaf's part to another's: each number in one addition of what is whole.
  package func accumulate(
    _ id: ParameterID, ofEmpty: Bool = false,
    _ write: (_ rows: Range<Int>, _ part: UnsafeMutablePointer<Float>, _ adding: Bool) throws -> Void
  ) throws {
    let sums = sums(of: id)
    for leaf in leaves {
      try sums.accumulate(leaf.number) { part, adding in
        guard let start = part.baseAddress else { return }
        guard leaf.rows.isEmpty else { return try write(leaf.rows, start, adding) }
        if !adding { part.update(repeating: 0) }
        if ofEmpty { try write(leaf.rows, start, true) }
      }
    }
  }

  /// Adds dyᵀ · x over the rows of each leaf, `[columns of dy, columns of x]`: the gradient of a matrix; and the sums
  /// of dy, where the matrix has a bias.
  package func addProduct(
    _ id: ParameterID, dy: MatrixView<Float>, x: MatrixView<Float>, precision: ProductPrecision? = nil
  ) throws {
    try accumulate(id) { rows, part, adding in
      let target = MatrixView(part, rows: dy.columns, columns: x.columns)
      let (left, right) = (StridedMatrix(dy).rows(rows).transposed, StridedMatrix(x).rows(rows))
      compute.compute.pool.run {
        compute.multiply(left, by: right, into: target, adding: adding, precision: precision, worker: $0)
      }
    }
    guard holds(id.bias) else { return }
    try add(id.bias) { rows, part in
      compute.sumRows(StridedMatrix(dy).rows(rows), into: part, worker: 0)
    }
  }
}
