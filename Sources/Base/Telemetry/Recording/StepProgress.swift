import Synchronization

/// Where a rank's main thread is in its step, and whom it waits for: written by that thread at the price of a store,
/// read by any.
///
/// Single values are exact; two read one after the other may be of different moments.
package final class StepProgress: Sendable {
  /// A moment of a step.
  package struct Place: Equatable, Sendable {
    package var step: UInt32
    /// -1 outside of all.
    package var layer: Int
    package var phase: Phase
  }

  /// Whom a rank waits for.
  package enum Wait: Equatable, Sendable {
    case nobody
    case peer(Int)
    /// Any of the others, in a collective.
    case all
  }

  /// 0 between steps; else the step's number (32 bits), layer + 1 (16), phase (8) and 1.
  private let place = Atomic<UInt64>(0)
  /// The count of waits so far (32 bits), and the peer + 2 (32); 1 there stands for any peer, 0 for no wait.
  private let waiting = Atomic<UInt64>(0)
  private let step = Atomic<UInt32>(0)

  package init() {}

  func beginStep() {
    step.store(step.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    enter(.plan, layer: PhaseRecorder.outside)
  }

  @inline(__always) func enter(_ phase: Phase, layer: Int) {
    let bits = UInt64(step.load(ordering: .relaxed)) << 32 | UInt64(UInt16(truncatingIfNeeded: layer + 1)) << 16
    place.store(bits | UInt64(phase.rawValue) << 8 | 1, ordering: .relaxed)
  }

  func endStep() { place.store(0, ordering: .relaxed) }

  /// Notes that this rank cannot go on without a message of that one; nil: of some other.
  package func wait(for peer: Int?) {
    let count = (waiting.load(ordering: .relaxed) >> 32) &+ 1
    waiting.store(count << 32 | UInt64(UInt32(truncatingIfNeeded: (peer ?? -1) + 2)), ordering: .relaxed)
  }

  package func endWait() { waiting.store(waiting.load(ordering: .relaxed) & 0xffff_ffff_0000_0000, ordering: .relaxed) }

  /// nil between steps.
  package var now: Place? {
    let bits = place.load(ordering: .relaxed)
    guard bits != 0, let phase = Phase(rawValue: Int(bits >> 8 & 0xff)) else { return nil }
    return Place(step: UInt32(bits >> 32), layer: Int(bits >> 16 & 0xffff) - 1, phase: phase)
  }

  package var waitsFor: Wait { wait.0 }

  /// The wait under way, and how many there were before it.
  package var wait: (Wait, count: UInt32) {
    let bits = waiting.load(ordering: .relaxed)
    let count = UInt32(bits >> 32)
    switch UInt32(truncatingIfNeeded: bits) {
    case 0: return (.nobody, count)
    case 1: return (.all, count)
    case let peer: return (.peer(Int(peer) - 2), count)
    }
  }
}
