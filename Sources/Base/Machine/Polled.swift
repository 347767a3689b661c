/// What moves on only when somebody looks after it: messages under way while workers compute, or weights on their way
/// into caches while messages are waited for.
package protocol Polled: AnyObject {
  /// Moves it on without waiting; a failure shows where somebody waits for it.
  func poll()
}
