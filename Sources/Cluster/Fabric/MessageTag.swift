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
