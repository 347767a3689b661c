internal import Glibc

/// One wait's patience: spin first, then offer the core to others, and give up at the stall limit.
struct Waiting {
  /// Tests before the core is offered; at tens of nanoseconds each, some tens of microseconds.
  private static let spinCount = 1000

  let limit: Duration
  private let isLimited: Bool
  private var testCount = 0
  private var began: ContinuousClock.Instant?
  private let yieldsAtOnce: Bool

  init(limit: Duration?, yieldsAtOnce: Bool) {
    self.limit = limit ?? .zero
    isLimited = limit != nil
    self.yieldsAtOnce = yieldsAtOnce
  }

  /// Called after each test that found nothing; true when the limit has passed.
  mutating func isOver() -> Bool {
    testCount &+= 1
    guard testCount >= Self.spinCount || yieldsAtOnce else { return false }
    sched_yield()
    // The clock is read only now and then, and not at all in a short wait.
    guard isLimited, testCount % 64 == 0 else { return false }
    guard let began else {
      began = .now
      return false
    }
    return ContinuousClock.now - began >= limit
  }
}

extension Communicator {
  /// Waits for what `peer` is to write into shared memory; messages of other hosts move on meanwhile.
  func wait(for peer: Rank, _ isThere: () -> Bool) throws(FabricError) {
    guard !isThere() else { return }
    var waiting = Waiting(limit: stallLimit, yieldsAtOnce: yieldsWhileWaiting)
    var tests = 0
    while !isThere() {
      tests &+= 1
      if tests % 64 == 0 { try poll() }
      if waiting.isOver() { throw .stalled(waiting: "shared memory for \(peer) on \(rank)", limit: waiting.limit) }
    }
  }
}
