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
    // How high the tree parts before the visit: above everything at the first one.
    var left = 33
    while first < count {
      var (last, end, height, right) = (first, first + 1, 0, 33)
      while true {
        right = last + 1 < count ? CombineTree.level(ids[last], ids[last + 1]) : 33
        if right > height { end = last + 1 }
        // The next visit would part as high as what lies before, or is computed elsewhere.
        guard right < left, last + 1 < count, places[last + 1] == places[first] else { break }
        height = max(height, right)
        last += 1
        marks[last] = 0
      }
      marks[first] = 1
      first = end
      if first < count { left = CombineTree.level(ids[first - 1], ids[first]) }
    }
  }
}
