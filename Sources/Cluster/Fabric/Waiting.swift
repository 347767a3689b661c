internal import Glibc
import Machine
import Telemetry

/// One wait's patience: spin first, then offer the core to others, sleep where that is wanted, and give up at the stall
/// limit.
struct Waiting {
  /// Tests before the core is offered; at tens of nanoseconds each, some tens of microseconds.
  private static let spinCount = 1000
  /// Tests before it is told who is waited for: few messages are so late.
  private static let silentCount = 64
  /// Nobody sleeps in a wait shorter than this: plans follow each other closely while there is work.
  private static let awake = Duration.milliseconds(4)
  private static let shortestSleep = Duration.microseconds(50)
  private static let longestSleep = Duration.milliseconds(1)
  /// A sleep is this part of the wait so far: what it may add to the wait is nothing beside it.
  private static let sleepPart = 256

  let limit: Duration
  private let isLimited: Bool
  private var testCount = 0
  private var began: ContinuousClock.Instant?
  private let yieldsAtOnce: Bool
  private let sleeps: Bool
  private let progress: StepProgress?
  private let peer: Rank?
  private let meanwhile: (any Polled)?

  /// For a message of `peer`, or of any other rank where that is nil.
  init(on communicator: any Communicator, for peer: Rank?) {
    limit = communicator.stallLimit ?? .zero
    isLimited = communicator.stallLimit != nil
    yieldsAtOnce = communicator.yieldsWhileWaiting
    sleeps = communicator.sleepsWhileWaiting
    // A wait that may take hours is nothing to tell.
    progress = sleeps ? nil : communicator.progress
    self.peer = peer
    meanwhile = communicator.whileWaiting
  }

  /// Called after each test that found nothing; true when the limit has passed.
  mutating func isOver() -> Bool {
    testCount &+= 1
    meanwhile?.poll()
    if testCount == Self.silentCount { progress?.wait(for: peer?.index) }
    guard testCount >= Self.spinCount || yieldsAtOnce else { return false }
    sched_yield()
    // The clock is read only now and then, and not at all in a short wait.
    guard sleeps || isLimited && testCount % 64 == 0 else { return false }
    guard let began else {
      began = .now
      return false
    }
    let waited = ContinuousClock.now - began
    if sleeps, waited >= Self.awake { sleep(min(max(waited / Self.sleepPart, Self.shortestSleep), Self.longestSleep)) }
    return isLimited && waited >= limit
  }

  /// Ends the wait, however it ended.
  func end() {
    if testCount >= Self.silentCount { progress?.endWait() }
  }

  private func sleep(_ duration: Duration) {
    var time = timespec(tv_sec: 0, tv_nsec: Int(duration.components.attoseconds / 1_000_000_000))
    nanosleep(&time, nil)
  }
}

extension Communicator {
  /// Waits for what `peer` is to write into shared memory; messages of other hosts move on meanwhile.
  func wait(for peer: Rank, _ isThere: () -> Bool) throws(FabricError) {
    guard !isThere() else { return }
    var waiting = Waiting(on: self, for: peer)
    defer { waiting.end() }
    var tests = 0
    while !isThere() {
      tests &+= 1
      if tests % 64 == 0 { try poll() }
      if waiting.isOver() { throw .stalled(waiting: "shared memory for \(peer) on \(rank)", limit: waiting.limit) }
    }
  }
}
