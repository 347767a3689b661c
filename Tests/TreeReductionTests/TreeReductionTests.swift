import Fabric
import Telemetry
import Tensors
import TestSupport
import Testing
import TreeReduction

/// Sums over ranks have the bits of the plain recursive sum, whoever has the leaves.
@Suite struct TreeReductionTests {
  /// Values whose sum depends on the order of additions.
  private func values(_ leafCount: Int, count: Int) -> [[Float]] {
    var generator = SeededGenerator(UInt64(leafCount * 1000 + count))
    return (0..<leafCount).map { _ in
      (0..<count).map { _ in generator.float() * Float(1 << Int.random(in: 0...20, using: &generator)) }
    }
  }

  /// A rank's leaves, added up in either way.
  private static func sums(_ tree: LeafTree, _ rank: Rank, _ values: [[Float]], count: Int) throws -> LeafSums {
    let sums = LeafSums(tree, rank: rank, count: count)
    while let leaf = sums.nextLeaf {
      if leaf % 5 == 0 {
        try sums.add(leaf) { _ = $0.update(fromContentsOf: values[leaf]) }
      } else {
        try sums.accumulate(leaf) { value, adding in
          for i in value.indices { value[i] = adding ? value[i] + values[leaf][i] : values[leaf][i] }
        }
      }
    }
    return sums
  }

  /// The bits that every rank ends up with.
  private func run(
    _ tree: LeafTree, ranks: Int, _ values: [[Float]], count: Int, slices: [Range<Int>]? = nil, pieceBytes: Int
  ) throws -> [[UInt32]] {
    try LocalFabric.run(size: ranks) { communicator in
      let reduction = try TreeReduction(
        communicator, tree: tree, count: count, slices: slices, pieceBytes: pieceBytes)
      let total = AlignedBuffer<Float>(count: count)
      let all = UnsafeMutableBufferPointer(start: total.pointer, count: count)
      try reduction.allReduce(try Self.sums(tree, communicator.rank, values, count: count), into: all)
      return all.map(\.bitPattern)
    }
  }

  @Test(arguments: [1, 2, 3, 5, 8])
  func theBitsDependNeitherOnRanksNorOnWhoHasWhichLeaf(ranks: Int) throws {
    var generator = SeededGenerator(UInt64(ranks))
    for (leafCount, count) in [(0, 7), (1, 40), (2, 1), (5, 100), (8, 33), (13, 250), (32, 19)] {
      let values = values(leafCount, count: count)
      let expected = LeafTree.reference(values, count: count).map(\.bitPattern)
      var divisions = [
        // Even runs, all on the last rank, in turn, and at random.
        (0..<leafCount).map { Rank($0 * ranks / max(leafCount, 1)) },
        Array(repeating: Rank(ranks - 1), count: leafCount),
        (0..<leafCount).map { Rank($0 % ranks) },
      ]
      divisions.append((0..<leafCount).map { _ in Rank(Int.random(in: 0..<ranks, using: &generator)) })
      for owners in divisions {
        for pieceBytes in [1, 1 << 12, 1 << 24] {
          let found = try run(LeafTree(owners: owners), ranks: ranks, values, count: count, pieceBytes: pieceBytes)
          #expect(
            found.allSatisfy { $0 == expected }, "\(leafCount) leaves of \(count), \(owners), pieces of \(pieceBytes)")
        }
      }
    }
  }

  @Test func theOrderMattersForTheseValues() {
    let values = values(13, count: 250)
    let inSequence = values.dropFirst().reduce(values[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(LeafTree.reference(values, count: 250) != inSequence)
  }

  @Test func slicesMayBeUnevenAndEmpty() throws {
    let values = values(6, count: 90)
    let expected = LeafTree.reference(values, count: 90).map(\.bitPattern)
    for slices in [[0..<0, 0..<90, 90..<90], [0..<1, 1..<89, 89..<90], [0..<90, 90..<90, 90..<90]] {
      let found = try run(
        LeafTree(counts: [1, 0, 5]), ranks: 3, values, count: 90, slices: slices, pieceBytes: 200)
      #expect(found.allSatisfy { $0 == expected }, "\(slices)")
    }
  }

  @Test func oneLeafKeepsItsBitsAndNoneIsZero() throws {
    let odd: [Float] = [-0.0, .infinity, .leastNonzeroMagnitude, .nan]
    let found = try run(LeafTree(owners: [Rank(1)]), ranks: 2, [odd], count: 4, pieceBytes: 64)
    #expect(found == [odd.map(\.bitPattern), odd.map(\.bitPattern)])
    #expect(try run(LeafTree(owners: []), ranks: 2, [], count: 3, pieceBytes: 64) == [[0, 0, 0], [0, 0, 0]])
    #expect(try run(LeafTree(owners: [Rank(0)]), ranks: 2, [[]], count: 0, pieceBytes: 64) == [[], []])
  }

  @Test func anOwnersSliceIsGatheredInAnyWidth() throws {
    let found = try LocalFabric.run(size: 3) { communicator in
      let reduction = try TreeReduction(communicator, tree: LeafTree(owners: []), count: 50)
      let weights = AlignedBuffer<UInt16>(count: 50)
      for i in reduction.slices[communicator.rank.index] { weights.pointer[i] = UInt16(i * 3) }
      try reduction.gather(weights.buffer)
      return Array(weights.buffer)
    }
    #expect(found == Array(repeating: (0..<50).map { UInt16($0 * 3) }, count: 3))
  }

  @Test func sumsAreClearedForTheNextStep() throws {
    let (first, second) = (values(4, count: 20), values(5, count: 20).dropFirst())
    let sums = try Self.sums(LeafTree(counts: [4]), Rank(0), first, count: 20)
    sums.clear()
    let found = try LocalFabric.run(size: 1) { communicator in
      let tree = LeafTree(counts: [4])
      let sums = try Self.sums(tree, Rank(0), first, count: 20)
      sums.clear()
      for (leaf, value) in second.enumerated() { try sums.add(leaf) { _ = $0.update(fromContentsOf: value) } }
      let total = AlignedBuffer<Float>(count: 20)
      try TreeReduction(communicator, tree: tree, count: 20).allReduce(sums, into: total.buffer)
      return total.buffer.map(\.bitPattern)
    }
    #expect(!sums.isComplete && sums.nextLeaf == 0)
    #expect(found[0] == LeafTree.reference(Array(second), count: 20).map(\.bitPattern))
  }

  @Test func bytesAreThoseOfThePartsAndSlices() throws {
    // Rank 0 has leaves 0 to 2, which are two parts; rank 1 has 3 and 4 to 7, two as well.
    let counted = try LocalFabric.run(size: 2) { communicator in
      let telemetry = RankTelemetry(layerCount: 1, expertCount: 0, rankCount: 2)
      let tree = LeafTree(counts: [3, 5])
      let before = communicator.bytesSent
      let reduction = try TreeReduction(
        communicator, tree: tree, count: 96, slices: [0..<32, 32..<96], telemetry: telemetry)
      let values = Array(repeating: Array(repeating: Float(1), count: 96), count: 8)
      let total = AlignedBuffer<Float>(count: 96)
      try reduction.allReduce(try Self.sums(tree, communicator.rank, values, count: 96), into: total.buffer)
      let account = RankAccount(telemetry)
      let read = try RankAccount(json: account.json, layerCount: 1, rankCount: 2)
      guard read.reduction == account.reduction else { throw ReductionError.ranksDisagree }
      return (account.reduction, communicator.bytesSent - before, total.buffer.allSatisfy { $0 == 8 })
    }
    #expect(counted.map(\.0.sumBytes) == [2 * 64 * 4, 2 * 32 * 4])
    #expect(counted.map(\.0.gatherBytes) == [32 * 4, 64 * 4])
    #expect(counted.allSatisfy { $0.0.sumMessages == 1 && $0.0.gatherMessages == 1 && $0.0.bytes == $0.1 && $0.2 })
  }

  @Test func whatCannotBeAddedUpIsSaid() throws {
    let sums = LeafSums(LeafTree(counts: [2, 2]), rank: Rank(1), count: 4)
    #expect(throws: ReductionError.leafOutOfOrder(0, expected: 2)) { try sums.add(0) { _ in } }
    try sums.add(2) { _ in }
    #expect(throws: ReductionError.leafOutOfOrder(2, expected: 3)) { try sums.add(2) { _ in } }
    struct Failure: Error {}
    #expect(throws: Failure.self) { try sums.add(3) { _ in throw Failure() } }
    try sums.add(3) { _ in }
    #expect(throws: ReductionError.leafOutOfOrder(4, expected: nil)) { try sums.add(4) { _ in } }
    func failure(_ body: @escaping @Sendable (LocalCommunicator) throws -> Void) -> String {
      do {
        try LocalFabric.run(size: 2, body)
        return "nothing"
      } catch { return "\(error)" }
    }
    let noOwner = failure { _ = try TreeReduction($0, tree: LeafTree(owners: [Rank(0), Rank(2)]), count: 4) }
    #expect(noOwner.contains("leaf 1 belongs to rank 2, and there are 2 ranks"))
    for slices in [[0..<4], [0..<2, 3..<4], [0..<2, 2..<3], [1..<2, 2..<4]] {
      let text = failure { _ = try TreeReduction($0, tree: LeafTree(counts: [1]), count: 4, slices: slices) }
      #expect(text.contains("do not cut 4 numbers"), "\(slices): \(text)")
    }
    let different = failure { _ = try TreeReduction($0, tree: LeafTree(counts: [1 + $0.rank.index]), count: 4) }
    #expect(different.contains("disagree"), "\(different)")
    let incomplete = failure {
      let tree = LeafTree(counts: [1, 1])
      let reduction = try TreeReduction($0, tree: tree, count: 4)
      try reduction.allReduce(LeafSums(tree, rank: $0.rank, count: 4), into: AlignedBuffer<Float>(count: 4).buffer)
    }
    #expect(incomplete.contains("has not added its leaf"), "\(incomplete)")
  }
}
