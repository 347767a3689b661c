import MoEModel

/// Which of a token's expert outputs can be added up before they meet the others: those of a subtree of `CombineTree`
/// in which all that the token visits is in one place.
///
/// Only the token's sender knows all of its visits; it marks in the message where each subtree begins. So scattered
/// experts, and replicas, cost no more rows than these tokens make them.
package enum PartialSubtrees {
  /// Marks the visits of one token that begin a subtree: 1, and 0 for the others. `ids`, which ascend, `places`, which
  /// say where each is computed, and `marks` are `[count]`.
  ///
  /// The greatest subtrees partition the visits: each is found from its first visit, by how far it can reach to the
  /// right.
  package static func mark(
    _ ids: UnsafePointer<Int32>, places: UnsafePointer<Int32>, count: Int, into marks: UnsafeMutablePointer<UInt8>
  ) {
    var first = 0
    while first < count {
      let left = first > 0 ? CombineTree.level(ids[first - 1], ids[first]) : 33
      var end = first + 1
      var last = first + 1
      while last < count, places[last] == places[first] {
        let height = CombineTree.level(ids[first], ids[last])
        guard height < left else { break }
        if last + 1 == count || CombineTree.level(ids[last], ids[last + 1]) > height { end = last + 1 }
        last += 1
      }
      marks[first] = 1
      for visit in (first + 1)..<max(end, first + 1) { marks[visit] = 0 }
      first = end
    }
  }
}
