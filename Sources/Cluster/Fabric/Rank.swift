/// A process's place in one run: 0 up to the communicator's size.
package struct Rank: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let index: Int

  package init(_ index: Int) { self.index = index }

  @inlinable
  package static func < (left: Rank, right: Rank) -> Bool { left.index < right.index }

  package var description: String { "rank \(index)" }
}

/// Tells apart the messages between two ranks; a receive takes only messages of its own tag.
package struct MessageTag: Hashable, Sendable, CustomStringConvertible {
  /// 0 up to `MessageTag.limit`.
  package let value: Int32

  package init(_ value: Int32) { self.value = value }

  /// The greatest tag that every MPI library accepts (MPI 3.1, section 8.1.2).
  package static let limit: Int32 = 32_767

  package var description: String { "tag \(value)" }
}

/// A send or receive under way: a small handle into the table of the communicator that started it.
package struct PendingRequest: Hashable, Sendable {
  let slot: Int32
  /// How often the slot had been used before: a handle waited for twice is recognised.
  let generation: UInt32
}

/// How the ranks' integers become one.
package enum Reduction: Sendable {
  /// Addition that wraps around.
  case sum
  case min
  case max
}
