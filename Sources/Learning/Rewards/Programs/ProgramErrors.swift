import Dispatch
import Glibc
import Machine
import Synchronization
import Threads

/// What a program writes to standard error, shown up to a limit: one that never stops would fill a log, and the disk
/// that checkpoints go to.
final class ProgramErrors: Sendable {
  /// Bytes that are shown while a batch is judged.
  static let limit = 1 << 20
  static let note = "\nmartinet: the reward program wrote more to standard error than 1 MiB; the rest is not shown\n"

  private struct State {
    var left = ProgramErrors.limit
    var isTold = false
  }

  private let state = Mutex(State())
  private let isOver = DispatchSemaphore(value: 0)
  private let shown: Int32

  /// `reading`: the pipe's end, which is closed once nobody can write to the other. `shown`: where it goes.
  init(_ reading: Int32, shown: Int32 = STDERR_FILENO) throws(MachineError) {
    self.shown = shown
    do throws(ThreadError) { _ = try BackgroundThread("reward errors") { self.relay(reading) } } catch {
      throw .system(call: "pthread_create", errno: error.code, reason: error.reason)
    }
  }

  /// Another batch is judged.
  func refill() { state.withLock { $0 = State() } }

  /// Waits until all that was written is shown.
  func wait(atMost time: DispatchTimeInterval) {
    if isOver.wait(timeout: .now() + time) == .success { isOver.signal() }
  }

  private func relay(_ reading: Int32) {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(reading, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      let (allowed, mustTell) = state.withLock { state in
        let allowed = min(state.left, count)
        state.left -= allowed
        let mustTell = allowed < count && !state.isTold
        if mustTell { state.isTold = true }
        return (allowed, mustTell)
      }
      show(chunk[..<allowed])
      if mustTell { show(Array(Self.note.utf8)[...]) }
      // It is held up, not left to run as fast as it can.
      if allowed < count { usleep(1_000) }
    }
    close(reading)
    isOver.signal()
  }

  private func show(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(shown, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        var wait = pollfd(fd: shown, events: Int16(POLLOUT), revents: 0)
        _ = poll(&wait, 1, 100)
      } else if count == 0 || errno != EINTR {
        return
      }
    }
  }
}
