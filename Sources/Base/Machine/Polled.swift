/// What moves on only when somebody looks after it, as messages under way do.
package protocol Polled: AnyObject {
  /// Moves it on without waiting; a failure shows where somebody waits for it.
  func poll()
}
