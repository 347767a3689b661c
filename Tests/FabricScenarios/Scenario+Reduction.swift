import Fabric
import Tensors
import TreeReduction

extension Scenario {
  /// A sum over ranks in the order of a tree: the transport must bring every piece to its owner.
  static let reductions: [Scenario] = [
    Scenario(name: "tree-reduction") { communicator, _ in
      for leafCount in [0, 1, 5, 13] {
        // The last rank has none of them.
        let ranks = max(1, communicator.size - 1)
        let tree = LeafTree(owners: (0..<leafCount).map { Rank($0 * ranks / leafCount) })
        let values = (0..<leafCount).map { leaf -> [Float] in
          let scale: Float = leaf % 2 == 0 ? 1.1 : -0.003
          return (0..<1000).map { i in scale * Float(1 + (i * 37 + leaf * 101) % 997) }
        }
        let sums = LeafSums(tree, rank: communicator.rank, count: 1000)
        while let leaf = sums.nextLeaf { try sums.add(leaf) { _ = $0.update(fromContentsOf: values[leaf]) } }
        let total = AlignedBuffer<Float>(count: 1000)
        let reduction = try TreeReduction(communicator, tree: tree, count: 1000, pieceBytes: 4096)
        try reduction.allReduce(sums, into: total.buffer)
        let expected = LeafTree.reference(values, count: 1000)
        try expect(
          zip(total.buffer, expected).allSatisfy { $0.bitPattern == $1.bitPattern },
          "the sum of \(leafCount) leaves has other bits")
      }
    }
  ]
}
