import Synchronization

/// Hands out task numbers to workers as they become free.
final class TaskCounter: Sendable {
  private let next = Atomic<Int>(0)
  func reset() { next.store(0, ordering: .relaxed) }
  func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}
