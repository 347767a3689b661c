/// A process's place in one run: 0 up to the communicator's size.
package struct Rank: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let index: Int

  package init(_ index: Int) { self.index = index }

  @inlinable
  package static func < (left: Rank, right: Rank) -> Bool { left.index < right.index }

  package var description: String { "rank \(index)" }
}
