import Fabric
import Tensors
import TestSupport
import Testing
import TreeReduction

/// Who adds up parts of the numbers by himself, or looks at rows that are not zero only, gets the same bits; and so
/// does who computes while messages travel.
@Suite struct ActionTests {
  private static let (width, rowCount) = (8, 6)
  private static var count: Int { width * rowCount }

  private func values(_ leafCount: Int) -> [[Float]] {
    var generator = SeededGenerator(UInt64(leafCount))
    return (0..<leafCount).map { _ in
      (0..<Self.count).map { _ in generator.float() * Float(1 << Int.random(in: 0...20, using: &generator)) }
    }
  }

  private func trees(_ leafCount: Int) -> [LeafTree] {
    [LeafTree(counts: [leafCount]), LeafTree(owners: (0..<leafCount).map { Rank($0 * $0 % 3) })]
  }

  /// A rank's leaves, each part of the numbers after the other.
  private static func take(
    _ sums: LeafSums, _ values: [[Float]], parts: [Range<Int>], of some: [Int]? = nil
  ) throws {
    let leaves = some ?? sums.tree.owners.indices.filter { sums.tree.owners[$0] == sums.rank }
    // All of them, or the first ones and then the others.
    for leaves in [leaves.prefix(leaves.count / 2), leaves.suffix(from: leaves.count / 2)] {
      let actions = try sums.take(Array(leaves))
      for part in parts {
        for action in actions {
          switch action {
          case .value(let place, let target, let adding):
            let value = values[leaves[leaves.startIndex + place]]
            for i in part { target[i] = adding ? target[i] + value[i] : value[i] }
          case .add(let source, let target): for i in part { target[i] += source[i] }
          }
        }
      }
    }
  }

  /// The bits of the sum over all ranks of what `make` adds up on each.
  private func total(_ tree: LeafTree, _ make: @escaping @Sendable (LeafSums) throws -> Void) throws -> [UInt32] {
    let found = try LocalFabric.run(size: 3) { communicator in
      let sums = LeafSums(tree, rank: communicator.rank, count: Self.count)
      try make(sums)
      let reduction = try TreeReduction(communicator, tree: tree, count: Self.count)
      let total = AlignedBuffer<Float>(count: Self.count)
      try reduction.allReduce(sums, into: total.buffer)
      return total.buffer.map(\.bitPattern)
    }
    return found[0]
  }

  @Test(arguments: [0, 1, 2, 3, 5, 8, 13, 32])
  func partsThatWaitForNobodyAddUpToTheSameBits(leafCount: Int) throws {
    let values = values(leafCount)
    let expected = LeafTree.reference(values, count: Self.count).map(\.bitPattern)
    for tree in trees(leafCount) {
      let found = try total(tree) { sums in
        // Again with the same memory.
        for _ in 0..<2 {
          sums.clear()
          try Self.take(sums, values, parts: [17..<Self.count, 0..<5, 5..<17])
        }
      }
      #expect(found == expected, "\(tree.owners)")
    }
  }

  /// Rows that a leaf adds to, one after another: some of them several times.
  private static func rows(_ leaf: Int) -> [Int] { (0..<(leaf % 4)).map { (leaf * 5 + $0 * $0 * 3) % rowCount } }

  private static func addRows(
    _ leaf: Int, _ values: [[Float]], to target: UnsafeMutablePointer<Float>, columns: Range<Int>
  ) {
    for row in rows(leaf) {
      for i in columns {
        // Zeros of both signs, too.
        let value: Float = i % 3 == 0 ? -0.0 : values[leaf][row * width + i]
        target[row * width + i] += value
      }
    }
  }

  private static func takeRows(
    _ sums: LeafSums, _ values: [[Float]], parts: [Range<Int>], of some: [Int]? = nil
  ) throws {
    let leaves = some ?? sums.tree.owners.indices.filter { sums.tree.owners[$0] == sums.rank }
    let actions = try sums.takeRows(leaves, width: width) { rows(leaves[$0]) }
    for columns in parts {
      actions.forEach { action, rows in
        switch action {
        case .clear(let target): for row in rows { for i in columns { target[row * width + i] = 0 } }
        case .value(let place, let target): addRows(leaves[place], values, to: target, columns: columns)
        case .add(let source, let target):
          for row in rows { for i in columns { target[row * width + i] += source[row * width + i] } }
        }
      }
    }
  }

  @Test(arguments: [0, 1, 2, 3, 5, 8, 13, 32])
  func rowsThatAreZeroAreLeftOutWithTheSameBits(leafCount: Int) throws {
    let values = values(leafCount)
    for tree in trees(leafCount) {
      let expected = try total(tree) { sums in
        while let leaf = sums.nextLeaf {
          try sums.add(leaf) { part in
            guard let start = part.baseAddress else { return }
            Self.addRows(leaf, values, to: start, columns: 0..<Self.width)
          }
        }
      }
      for before in ["nothing", "rows", "whole values"] {
        let found = try total(tree) { sums in
          if before == "rows" { try Self.takeRows(sums, values.reversed(), parts: [0..<Self.width]) }
          if before == "whole values" { try Self.take(sums, values, parts: [0..<Self.count]) }
          sums.clear()
          try Self.takeRows(sums, values, parts: [0..<3, 3..<Self.width])
        }
        #expect(found == expected, "\(tree.owners), after \(before)")
      }
    }
  }

  /// Leaves of one step, some of them whole and some by rows, in every order of two and three ways.
  @Test(arguments: [
    ["rows", "add"], ["add", "rows"], ["take", "rows", "accumulate"], ["rows", "accumulate", "take"],
  ])
  func leavesAddedInSeveralWaysAreAllAddedUp(ways: [String]) throws {
    for leafCount in [2, 3, 5, 8, 13, 32] {
      let values = values(leafCount)
      /// A leaf's value, which is zero but for some rows, or not.
      func value(_ leaf: Int) -> [Float] {
        guard ways[leaf % ways.count] == "rows" else { return values[leaf] }
        var value = [Float](repeating: 0, count: Self.count)
        value.withUnsafeMutableBufferPointer {
          if let start = $0.baseAddress { Self.addRows(leaf, values, to: start, columns: 0..<Self.width) }
        }
        return value
      }
      let whole = (0..<leafCount).map(value)
      let expected = LeafTree.reference(whole, count: Self.count)
      for tree in trees(leafCount) {
        let found = try total(tree) { sums in
          // Again with the same memory.
          for _ in 0..<2 {
            sums.clear()
            while let leaf = sums.nextLeaf {
              switch ways[leaf % ways.count] {
              case "rows": try Self.takeRows(sums, values, parts: [0..<Self.width], of: [leaf])
              case "take": try Self.take(sums, values, parts: [0..<Self.count], of: [leaf])
              case "add": try sums.add(leaf) { _ = $0.update(fromContentsOf: values[leaf]) }
              default:
                try sums.accumulate(leaf) { part, adding in
                  for i in part.indices { part[i] = adding ? part[i] + values[leaf][i] : values[leaf][i] }
                }
              }
            }
          }
        }
        // A zero may have either sign.
        #expect(found.map { Float(bitPattern: $0) } == expected, "\(ways) of \(tree.owners)")
      }
    }
  }

  @Test func rowsOfAnotherWidthBeginWithZeros() throws {
    let sums = LeafSums(LeafTree(counts: [1]), rank: Rank(0), count: Self.count)
    for width in [Self.width, 4, 6, Self.width] {
      sums.clear()
      let last = Self.count / width - 1
      let actions = try sums.takeRows([0], width: width) { _ in [last] }
      actions.forEach { action, rows in
        switch action {
        case .clear(let target): for row in rows { (target + row * width).update(repeating: 0, count: width) }
        case .value(_, let target):
          for i in 0..<Self.count { #expect(target[i] == 0, "\(width), \(i)") }
          (target + last * width).update(repeating: 1, count: width)
        case .add: Issue.record("one leaf is added to nothing")
        }
      }
    }
  }

  /// A step that fails leaves its sums under way: the next step's are not taken for them.
  @Test(arguments: [true, false]) func sumsOfAnotherStepAreNotTakenForThoseUnderWay(begins: Bool) throws {
    let values = values(4)
    #expect(throws: ReductionError.othersUnderWay) {
      try LocalFabric.run(size: 2) { communicator in
        let tree = LeafTree(counts: [2, 2])
        let sums = LeafSums(tree, rank: communicator.rank, count: Self.count)
        let reduction = try TreeReduction(communicator, tree: tree, count: Self.count)
        try Self.take(sums, values, parts: [0..<Self.count])
        try reduction.begin(sums)
        sums.clear()
        try Self.take(sums, values.reversed(), parts: [0..<Self.count])
        if begins { try reduction.begin(sums) }
        try reduction.allReduce(sums, into: AlignedBuffer<Float>(count: Self.count).buffer)
      }
    }
  }

  @Test func leavesOutOfOrderAreRefused() throws {
    let sums = LeafSums(LeafTree(counts: [4]), rank: Rank(0), count: Self.count)
    #expect(throws: ReductionError.leafOutOfOrder(1, expected: 0)) { _ = try sums.take([1]) }
    #expect(throws: ReductionError.leafOutOfOrder(3, expected: 0)) {
      _ = try sums.takeRows([3], width: Self.width) { _ in [] }
    }
  }

  @Test(arguments: [1 << 8, 1 << 24])
  func messagesMayTravelWhileRanksCompute(pieceBytes: Int) throws {
    let (first, second) = (values(8), values(9))
    let expected = [first, Array(second.prefix(8))].map { LeafTree.reference($0, count: Self.count).map(\.bitPattern) }
    let found = try LocalFabric.run(size: 3) { communicator in
      let tree = LeafTree(counts: [3, 0, 5])
      let sums = try [first, second].map { values in
        let sums = LeafSums(tree, rank: communicator.rank, count: Self.count)
        try Self.take(sums, values, parts: [0..<Self.count])
        return sums
      }
      let reductions = try sums.map { _ in
        try TreeReduction(communicator, tree: tree, count: Self.count, pieceBytes: pieceBytes)
      }
      // Twice is once.
      for _ in 0..<2 { for (reduction, sums) in zip(reductions, sums) { try reduction.begin(sums) } }
      let totals = sums.map { _ in AlignedBuffer<Float>(count: Self.count) }
      for (place, reduction) in reductions.enumerated() {
        let own = UnsafeMutableBufferPointer(rebasing: totals[place].buffer[reduction.slices[communicator.rank.index]])
        try reduction.reduceScatter(sums[place], into: own)
      }
      let gatherings = try zip(reductions, totals).map { try $0.startGather($1.buffer) }
      for (reduction, gathering) in zip(reductions, gatherings) { try reduction.finish(gathering) }
      return totals.map { $0.buffer.map(\.bitPattern) }
    }
    #expect(found.allSatisfy { $0 == expected })
  }
}
