/// What a sequence's output must look like, token by token: it says which may come next. Lives on rank 0, with its
/// sequence; one thread uses it at a time.
package protocol TokenConstraint: AnyObject, Sendable {
  /// The tokens that may come next; those that end the output among them where it may end.
  var allowed: AllowedTokens { get }
  /// One of the same state, to look ahead with; nil where there can be none: then nothing is drafted under it.
  func copy() -> (any TokenConstraint)?
  /// Goes on past a token that was sampled.
  func advance(_ token: Int32) -> ConstraintProgress
}

extension TokenConstraint {
  package func copy() -> (any TokenConstraint)? { nil }
}

package enum ConstraintProgress: Sendable {
  case open
  /// Nothing more may come.
  case complete
}
