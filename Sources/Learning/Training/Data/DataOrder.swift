/// Which sequence stands at each place of the order in which a training sees its data: a function of the seed and the
/// place alone, that any rank computes without reading anything.
///
/// Without weights all sequences follow in a random order, and again in another one when they are through. With weights
/// each 4096 places hold exactly every group's share (to the nearest, at least one), in a random order, and a group
/// goes through its own sequences in the same way.
package struct DataOrder: Sendable {
  package struct Place: Sendable, Equatable {
    package var group: Int
    package var sequence: Int
    /// How often the group had been seen wholly before.
    package var epoch: Int
  }

  private static let blockLength = 4096

  /// Sequences of each group.
  private let counts: [Int]
  private let streams: [RandomStream]
  private let mixing: RandomStream
  /// Places of each block before a group's, and after the last group's.
  private let shares: [Int]

  /// `counts`: sequences of each group, at least one. `weights`: positive, by group, relative to each other; nil for a
  /// single group.
  package init(counts: [Int], weights: [Double]?, seed: UInt64) {
    self.counts = counts
    streams = counts.indices.map { RandomStream(seed: seed, purpose: "order of sequences, group \($0)") }
    mixing = RandomStream(seed: seed, purpose: "mixture of groups")
    shares = Self.shares(weights ?? [1])
  }

  /// The part of each group that every block holds.
  package var parts: [Double] { zip(shares, shares.dropFirst()).map { Double($1 - $0) / Double(Self.blockLength) } }

  /// Where the sequence with this number in the order of training lies.
  package subscript(position: Int) -> Place {
    guard counts.count > 1 else { return place(0, position) }
    let block = position / Self.blockLength
    let slot = Shuffle(count: Self.blockLength, stream: mixing, number: block)[position % Self.blockLength]
    // Few groups: the first whose share ends beyond the slot.
    let group = shares.dropFirst().firstIndex { slot < $0 }.map { $0 - 1 } ?? 0
    let share = shares[group + 1] - shares[group]
    return place(group, block * share + slot - shares[group])
  }

  /// The `number`th sequence that is taken of a group.
  private func place(_ group: Int, _ number: Int) -> Place {
    let epoch = number / counts[group]
    let shuffle = Shuffle(count: counts[group], stream: streams[group], number: epoch)
    return Place(group: group, sequence: shuffle[number % counts[group]], epoch: epoch)
  }

  /// Cuts a block in proportion to weights, by largest remainders, each at least one.
  private static func shares(_ weights: [Double]) -> [Int] {
    // Divided first: weights may be such that their sum is beyond all bounds.
    let largest = weights.max() ?? 1
    let scaled = weights.map { $0 / largest }
    let total = scaled.reduce(0, +)
    let exact = scaled.map { $0 / total * Double(blockLength) }
    var counts = exact.map { max(1, Int($0)) }
    let byRemainder = exact.indices.sorted {
      (exact[$0] - exact[$0].rounded(.down), -$0) > (exact[$1] - exact[$1].rounded(.down), -$1)
    }
    var rest = blockLength - counts.reduce(0, +)
    for i in byRemainder where rest > 0 {
      counts[i] += 1
      rest -= 1
    }
    // Shares raised to one are taken from the largest.
    while rest < 0, let largest = counts.indices.max(by: { counts[$0] < counts[$1] }), counts[largest] > 1 {
      counts[largest] -= 1
      rest += 1
    }
    return counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
  }
}
