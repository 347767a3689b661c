import Fabric
import Gradients
import Kernels
import Machine
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

  /// What was added for a parameter, of all leaves of this rank: once its backward pass is over. Layers do not go back
  /// on a rank without rows: there the parts of leaves are zeros.
  package func wholeSums(of id: ParameterID) throws -> LeafSums {
    let sums = sums(of: id)
    guard leaves.allSatisfy({ $0.rows.isEmpty }) else { return sums }
    while let leaf = sums.nextLeaf {
      try sums.accumulate(leaf) { part, adding in if !adding { part.update(repeating: 0) } }
    }
    return sums
  }

  private func sums(of id: ParameterID) -> LeafSums {
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

  /// The same for values of `width` columns of which few rows are not zero: `touching` tells which of a leaf's are.
  /// `write` adds these `columns` of them to zeros; workers call it, each for columns of its own.
  package func addRows(
    _ id: ParameterID, width: Int, touching: (_ rows: Range<Int>) -> [Int],
    _ write: (_ rows: Range<Int>, _ part: UnsafeMutablePointer<Float>, _ columns: Range<Int>) -> Void
  ) throws {
    let rowsByPlace = leaves.map(\.rows)
    let actions = try sums(of: id).takeRows(leaves.map(\.number), width: width) { touching(rowsByPlace[$0]) }
    let (compute, lines) = (compute.compute, (width + 15) / 16)
    compute.pool.run { worker in
      let share = compute.share(of: lines, worker: worker)
      let columns = min(16 * share.lowerBound, width)..<min(16 * share.upperBound, width)
      guard !columns.isEmpty else { return }
      actions.forEach { action, rows in
        switch action {
        case .clear(let target):
          for row in rows { (target + row * width + columns.lowerBound).update(repeating: 0, count: columns.count) }
        case .value(let place, let target): write(rowsByPlace[place], target, columns)
        case .add(let source, let target):
          for row in rows {
            let at = row * width + columns.lowerBound
            compute.add(source + at, to: target + at, count: columns.count)
          }
        }
      }
    }
  }

  /// Adds dyᵀ · x over the rows of each leaf, `[columns of dy, columns of x]`: the gradient of a matrix; and the sums
  /// of dy, where the matrix has a bias. Each worker has a part of the matrix for all leaves, and waits for nobody.
  ///
  /// `groups`: parts of the matrix of equal rows, each of which meets other columns of x, `[columns of dy, columns of x
  /// / groups]`. `vectors`: rows of dy and x that each row of the batch has.
  package func addProduct(
    _ id: ParameterID, dy: MatrixView<Float>, x: MatrixView<Float>, groups: Int = 1, vectors: Int = 1,
    precision: ProductPrecision? = nil
  ) throws {
    func all(_ rows: Range<Int>) -> Range<Int> { (rows.lowerBound * vectors)..<(rows.upperBound * vectors) }
    let rowsByPlace = leaves.map { all($0.rows) }
    let (height, columns) = (dy.columns / groups, x.columns / groups)
    compute.compute.pool.polled?.poll()
    let actions = try sums(of: id).take(leaves.map(\.number))
    compute.compute.pool.run { worker in
      let own = compute.part(rows: height, columns: columns, worker: worker)
      for action in actions {
        for group in 0..<groups {
          let first = group * height * columns
          switch action {
          case .value(let place, let start, let adding):
            let rows = rowsByPlace[place]
            compute.multiply(
              StridedMatrix(dy.columns((group * height)..<((group + 1) * height))).rows(rows).transposed,
              by: StridedMatrix(x.columns((group * columns)..<((group + 1) * columns))).rows(rows),
              into: MatrixView(start + first, rows: height, columns: columns), adding: adding, precision: precision,
              worker: worker)
          case .add(let source, let target):
            for row in own.rows {
              let at = first + row * columns + own.columns.lowerBound
              compute.compute.add(source + at, to: target + at, count: own.columns.count)
            }
          }
        }
      }
    }
    guard holds(id.bias) else { return }
    try add(id.bias) { rows, part in
      compute.sumRows(StridedMatrix(dy).rows(all(rows)), into: part, worker: 0)
    }
  }
}
