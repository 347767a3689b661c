/// What may follow when the rule at the top of a stack ends: states to go on in, each with the stack below it.
///
/// Several stacks that meet share a node (a graph-structured stack), so that ambiguity does not multiply.
final class StackNode: Sendable {
  struct Entry: Sendable {
    var state: Int32
    /// Of the object whose rule goes on.
    var record: ObjectRecord?
    var parent: StackNode
  }
  /// Unlike any other node's, also of nodes long gone.
  let serial: Int
  /// Ascending by state and record, each pair once; none at the bottom.
  let entries: [Entry]
  let depth: Int32

  init(serial: Int, entries: [Entry]) {
    self.serial = serial
    self.entries = entries
    depth = entries.map(\.parent.depth).max().map { $0 + 1 } ?? 0
  }
}

/// A state and the stack below it.
struct Configuration: Sendable {
  var state: Int32
  /// The members so far, in the rule of an object.
  var record: ObjectRecord?
  var stack: StackNode
}
