import Synchronization

/// Hands out task numbers to workers as they become free.
package final class TaskCounter: Sendable {
  private let next = Atomic<Int>(0)
  package init() {}
  package func reset() { next.store(0, ordering: .relaxed) }
  package func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}
