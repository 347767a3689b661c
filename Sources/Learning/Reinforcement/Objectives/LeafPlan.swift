/// Which sequences make up each leaf of an update: runs of about as many rows, whatever the number of ranks.
package struct LeafPlan {
  /// Sequences of each leaf.
  package let leaves: [Range<Int>]
  package let rowsByLeaf: [Int]

  /// `rows` of each sequence.
  package init(rows: [Int], leafCount: Int) {
    let total = rows.reduce(0, +)
    var leaves: [Range<Int>] = []
    var (first, done) = (0, 0)
    for leaf in 0..<max(1, leafCount) {
      let goal = total * (leaf + 1) / max(1, leafCount)
      var end = first
      while end < rows.count, done + rows[end] / 2 < goal || leaf + 1 >= leafCount {
        done += rows[end]
        end += 1
      }
      leaves.append(first..<end)
      first = end
    }
    self.leaves = leaves
    rowsByLeaf = leaves.map { rows[$0].reduce(0, +) }
  }
}
