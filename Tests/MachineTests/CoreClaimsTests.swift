import Foundation
import TestSupport
import Testing

@testable import Machine

/// Cores that jobs keep from each other; a job is a process, so each of these has one of its own, and asks another.
@Suite struct CoreClaimsTests {
  /// What another process of this host could not have of `cores`, by the same files.
  private static func busy(_ cores: Range<Int>, in folder: String) -> [Int] {
    cores.filter { core in
      let file = open("\(folder)/core-\(core)", O_RDONLY)
      guard file >= 0 else { return false }
      defer { close(file) }
      return flock(file, LOCK_EX | LOCK_NB) != 0
    }
  }

  @Test func whatIsChosenIsHeldAndTheRestIsNot() async {
    await #expect(processExitsWith: .success) {
      withTemporaryFolder { folder in
        let path = folder.file("cores")
        CoreClaims.claim([0, 1, 2, 3], folder: path) { busy in
          guard busy.isEmpty else { exit(1) }
          return [1, 2]
        }
        guard Self.busy(0..<4, in: path) == [1, 2] else { exit(2) }
        // Again in this process: its own are no others'.
        CoreClaims.claim([1, 3], folder: path) { busy in
          guard busy.isEmpty else { exit(3) }
          return [1, 3]
        }
        guard Self.busy(0..<4, in: path) == [1, 2, 3] else { exit(4) }
        CoreClaims.release()
        guard Self.busy(0..<4, in: path).isEmpty else { exit(5) }
      }
    }
  }

  @Test func whatAnotherHoldsIsBusyUntilItEndsHoweverItEnds() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder.file("cores")
        CoreClaims.claim([0, 1], folder: path) { _ in [] }
        // `flock` of util-linux stands for another job.
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        other.arguments = ["flock", "--no-fork", "\(path)/core-1", "sleep", "6000"]
        try other.run()
        let process = other.processIdentifier
        // Nothing is left behind that waits.
        func fail(_ code: Int32) -> Never {
          kill(process, SIGKILL)
          exit(code)
        }
        guard eventually({ Self.busy(0..<2, in: path) == [1] }) else { fail(3) }
        CoreClaims.claim([0, 1], folder: path) { busy in
          guard busy == [1] else { fail(1) }
          return [0]
        }
        CoreClaims.release()
        // It ends while this one has patience.
        Thread.detachNewThread {
          usleep(300_000)
          kill(process, SIGKILL)
        }
        CoreClaims.claim([0, 1], patience: .seconds(600), folder: path) { busy in
          guard busy.isEmpty else { fail(2) }
          return []
        }
      }
    }
  }

  @Test func aFolderThatCannotBeUsedMakesNoCoreBusy() async {
    await #expect(processExitsWith: .success) {
      var asked = 0
      CoreClaims.claim([0, 1], folder: "/proc/nowhere") { busy in
        asked += busy.isEmpty ? 1 : 100
        return [0]
      }
      exit(asked == 1 ? 0 : 1)
    }
  }
}
