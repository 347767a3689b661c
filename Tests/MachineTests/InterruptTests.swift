import Foundation
import Machine
import TestSupport
import Testing

/// Sends the signal to the process as a launcher does, and gives it time to arrive.
private func send(_ signal: Int32, until arrived: () -> Bool) {
  kill(getpid(), signal)
  _ = eventually(arrived)
}

/// Each in a process of its own: signals belong to the whole process.
@Suite struct InterruptTests {
  @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
  func aSignalSetsTheFlagOnly(signal: Int32) async {
    await #expect(processExitsWith: .success) { [signal] in
      try Interrupt.install()
      guard !Interrupt.requested else { exit(1) }
      send(signal) { Interrupt.requested }
      exit(Interrupt.requested ? 0 : 2)
    }
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGUSR1])
  func whoIsAskedToStopEarlyLeavesWithoutAComplaint(signal: Int32) async {
    await #expect(processExitsWith: .success) { [signal] in
      try Interrupt.leaveAtOnce()
      kill(getpid(), signal)
      sleep(600)
      exit(3)
    }
  }

  @Test func aSecondInterruptEndsTheProcess() async {
    await #expect(processExitsWith: .exitCode(130)) {
      try Interrupt.install()
      send(SIGINT) { Interrupt.requested }
      send(SIGINT) { false }
    }
  }

  @Test func terminationAsTheLauncherRepeatsItDoesNot() async {
    await #expect(processExitsWith: .success) {
      try Interrupt.install()
      send(SIGTERM) { Interrupt.requested }
      for signal in [SIGTERM, SIGINT] {
        kill(getpid(), signal)
        usleep(50_000)
      }
      exit(Interrupt.requested ? 0 : 2)
    }
  }
}
