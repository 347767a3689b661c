// What ThreadSanitizer must see and what it must not report, before a test is run under it (deploy/sanitize.sh thread):
// threads that meet at one Mutex and change a number inside of it (`inside`), or beside it (`beside`), which is a race.

import Glibc
import Synchronization

final class Meeting: @unchecked Sendable {
  private let isBeside: Bool
  private let mutex = Mutex(0)
  /// Guarded by the mutex, unless `isBeside`.
  private var count = 0

  init(isBeside: Bool) { self.isBeside = isBeside }

  private func visit() {
    mutex.withLock { visits in
      visits += 1
      if !isBeside { count += 1 }
      // The others come meanwhile: they wait in the kernel, and are handed the lock there.
      usleep(20)
    }
    if isBeside { count += 1 }
    _ = mutex.withLockIfAvailable { _ in if !isBeside { count += 1 } }
  }

  func run() {
    var threads = [pthread_t](repeating: 0, count: 4)
    for index in threads.indices {
      let code = pthread_create(
        &threads[index], nil,
        { argument in
          guard let argument else { return nil }
          let meeting = Unmanaged<Meeting>.fromOpaque(argument).takeUnretainedValue()
          for _ in 0..<300 { meeting.visit() }
          return nil
        }, Unmanaged.passUnretained(self).toOpaque())
      guard code == 0 else { fatalError("no thread: \(code)") }
    }
    for thread in threads { pthread_join(thread, nil) }
  }
}

Meeting(isBeside: CommandLine.arguments.last == "beside").run()
