import Synchronization

/// Closed until a test opens it: what is behind comes after what the test did before, whoever is scheduled first.
final class Gate: Sendable {
  private let state = Atomic<Bool>(false)

  var isClosed: Bool { !state.load(ordering: .acquiring) }
  func open() { state.store(true, ordering: .releasing) }
}
