/// The one order in which a token's expert outputs are added: along the binary tree over expert ids.
///
/// Leaves are expert ids; a subtree spans an aligned range of 2ʲ ids and is the sum of its two halves, or the one
/// half that is not empty. Any aligned range can be summed where its experts live and the rest finished elsewhere, with
/// the same bits as if all were summed in one place.
package enum CombineTree {
  /// The height at which two ids part: the smallest j for which both lie in one aligned range of 2ʲ ids.
  @inlinable package static func level(_ a: Int32, _ b: Int32) -> Int { 32 - (a ^ b).leadingZeroBitCount }

  /// Visits the additions, in order, that sum entries with the ascending ids `ids`, `[count]`: entry `source` is to be
  /// added to entry `target`. Entry 0 ends up with the total.
  package static func visit(_ ids: UnsafePointer<Int32>, count: Int, add: (_ target: Int, _ source: Int) -> Void) {
    guard count > 1 else { return }
    // Open subtrees from left to right; the levels at which neighbours part fall strictly, so 32 places suffice.
    withUnsafeTemporaryAllocation(of: (entry: Int, level: Int).self, capacity: 33) { open in
      var depth = 1
      open[0] = (0, 33)
      for i in 1..<count {
        let level = level(ids[i - 1], ids[i])
        while depth > 1, open[depth - 1].level < level {
          add(open[depth - 2].entry, open[depth - 1].entry)
          depth -= 1
        }
        open[depth] = (i, level)
        depth += 1
      }
      while depth > 1 {
        add(open[depth - 2].entry, open[depth - 1].entry)
        depth -= 1
      }
    }
  }

  /// The plain twin of `visit`, straight from the definition: the sum of `values`, `[ids.count][columns]`, of those
  /// `ids` that lie within the aligned range `[base, base + 2^level)`; nil when none is there.
  package static func reference(ids: [Int32], values: [[Float]], base: Int32, level: Int) -> [Float]? {
    if level == 0 { return ids.firstIndex(of: base).map { values[$0] } }
    let left = reference(ids: ids, values: values, base: base, level: level - 1)
    let right = reference(ids: ids, values: values, base: base + 1 << (level - 1), level: level - 1)
    guard let left, let right else { return left ?? right }
    return zip(left, right).map { $0 + $1 }
  }
}
