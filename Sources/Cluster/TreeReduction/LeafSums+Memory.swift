import Fabric

extension LeafSums {
  /// Buffers of one value each that a rank's sums come to hold: one for each part that is whole, for each open subtree
  /// of the part under way, and for the leaf that is being added, unless it is `accumulated` on the one before it.
  package static func bufferCount(_ tree: LeafTree, rank: Rank, accumulated: Bool = false) -> Int {
    var most = 0
    for (whole, part) in tree.parts.filter({ $0.owner == rank }).enumerated() {
      var open: [Int] = []
      for leaf in part.leaves {
        let height = leaf == part.leaves.lowerBound ? Int.max : LeafTree.height(leaf - 1, leaf)
        if accumulated, height == 1 { continue }
        most = max(most, whole + open.count + 1)
        while open.count > 1, open[open.count - 1] < height { open.removeLast() }
        open.append(height)
      }
    }
    return most
  }
}

extension TreeReduction {
  /// Numbers of a slice that are exchanged at once: all, or as many as let the rows of all parts fit into `pieceBytes`.
  static func pieceCount(partCount: Int, widestSlice: Int, pieceBytes: Int) -> Int {
    max(1, min(widestSlice, max(16, pieceBytes / 4 / max(partCount, 1))))
  }

  /// Bytes that a reduction over `rankCount` ranks holds on one that has `ownParts` of a tree's `partCount` parts,
  /// where the widest slice is of `widestSlice` numbers and some `pieceBytes` are exchanged at once.
  package static func byteCount(
    partCount: Int, ownParts: Int, rankCount: Int, widestSlice: Int, pieceBytes: Int = pieceBytes
  ) -> Int {
    (partCount + rankCount * ownParts) * 4
      * pieceCount(partCount: partCount, widestSlice: widestSlice, pieceBytes: pieceBytes)
  }
}
