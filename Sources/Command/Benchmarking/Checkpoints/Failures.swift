import Synchronization

/// What went wrong on which of several workers.
final class Failures: Sendable {
  private let errors: Mutex<[(any Error)?]>

  init(count: Int) { errors = Mutex(Array(repeating: nil, count: count)) }

  func set(_ error: any Error, worker: Int) { errors.withLock { $0[worker] = error } }

  var any: Bool { errors.withLock { $0.contains { $0 != nil } } }
  /// The failure of the lowest worker that has one.
  var first: (any Error)? { errors.withLock { $0.lazy.compactMap { $0 }.first } }
}
