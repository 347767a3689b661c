import Fabric

/// The one order in which values of numbered leaves are added, whichever ranks have the leaves.
///
/// Leaves are numbers from 0, in training the sequences of a step. An inner node spans an aligned range of 2ʲ numbers
/// and is the sum of its two halves, or the one half that is not empty; the root is the result, and zero where there
/// are no leaves. So a rank can add up every aligned range that is wholly its own, and somebody else the rest, with the
/// same bits as if one rank had added them all. (`CombineTree` is the same tree over expert ids.)
package struct LeafTree: Sendable, Equatable {
  /// A greatest subtree whose leaves are all of one rank.
  package struct Part: Sendable, Equatable {
    package let leaves: Range<Int>
    package let owner: Rank
  }

  /// One of its values is to be added to another, in place.
  package struct Addition: Sendable, Equatable {
    package let target: Int
    package let source: Int
  }

  /// The rank that has each leaf.
  package let owners: [Rank]
  /// In ascending order of their leaves, of which each has one part.
  package let parts: [Part]

  package init(owners: [Rank]) {
    self.owners = owners
    parts = Self.parts(owners)
  }

  /// Runs of leaves, one for each rank: rank 0 has the first `counts[0]`, and so on. Negative counts are none.
  package init(counts: [Int]) {
    self.init(owners: counts.enumerated().flatMap { Array(repeating: Rank($0.offset), count: max(0, $0.element)) })
  }

  /// The additions that make the root of the parts, in order; entry 0 ends up with it.
  package var additions: [Addition] { Self.additions(parts.map(\.leaves.lowerBound)) }

  /// The additions that sum entries with these ascending leaves, in order; entry 0 ends up with the sum.
  static func additions(_ leaves: [Int]) -> [Addition] {
    var additions: [Addition] = []
    // Open subtrees from left to right, each with the height at which it parts from the one before it: these fall
    // strictly.
    var open: [(entry: Int, height: Int)] = []
    func close(below height: Int) {
      while open.count > 1, let last = open.last, last.height < height {
        open.removeLast()
        additions.append(Addition(target: open[open.count - 1].entry, source: last.entry))
      }
    }
    for (entry, leaf) in leaves.enumerated() {
      let height = entry == 0 ? Int.max : Self.height(leaves[entry - 1], leaf)
      close(below: height)
      open.append((entry, height))
    }
    close(below: .max)
    return additions
  }

  /// The height at which two leaves part: the smallest j for which both lie in one aligned range of 2ʲ numbers.
  static func height(_ a: Int, _ b: Int) -> Int { Int.bitWidth - (a ^ b).leadingZeroBitCount }

  private static func parts(_ owners: [Rank]) -> [Part] {
    // Where the run of one owner's leaves that a leaf is in ends.
    var ends = Array(owners.indices.map { $0 + 1 })
    for leaf in owners.indices.dropLast().reversed() where owners[leaf] == owners[leaf + 1] {
      ends[leaf] = ends[leaf + 1]
    }
    var parts: [Part] = []
    func collect(_ base: Int, _ height: Int) {
      guard base < owners.count else { return }
      let end = height < Int.bitWidth - 1 ? min(base + 1 << height, owners.count) : owners.count
      if ends[base] >= end {
        parts.append(Part(leaves: base..<end, owner: owners[base]))
      } else {
        collect(base, height - 1)
        collect(base + 1 << (height - 1), height - 1)
      }
    }
    collect(0, height(0, max(0, owners.count - 1)))
    return parts
  }

  /// The plain twin of everything else here, straight from the definition: the sum of `values`, one `[count]`
  /// for each leaf.
  package static func reference(_ values: [[Float]], count: Int) -> [Float] {
    func sum(_ base: Int, _ height: Int) -> [Float]? {
      if height == 0 { return base < values.count ? values[base] : nil }
      let (left, right) = (sum(base, height - 1), sum(base + 1 << (height - 1), height - 1))
      guard let left, let right else { return left ?? right }
      return zip(left, right).map { $0 + $1 }
    }
    return sum(0, height(0, max(0, values.count - 1))) ?? Array(repeating: 0, count: count)
  }
}
