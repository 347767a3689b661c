private import Glibc
private import Synchronization

/// Which cores of this host jobs of this program hold, so that no two pin their threads to the same.
///
/// A core is held by a lock on a file of its number in `/dev/shm/martinet-cores`, which the kernel gives back when the
/// process ends, however it ends. Jobs see each other's as far as they share `/dev/shm`: on a host, but not from
/// container to container.
package enum CoreClaims {
  package static let folder = "/dev/shm/martinet-cores"
  /// How long others may take to choose theirs.
  private static let gatePatience = Duration.seconds(2)

  /// Descriptors of the cores this process holds, until it ends.
  private static let held = Mutex<[Int: Int32]>([:])

  /// Has `choose` say which of `candidates` to hold, given those that are not to be had, and holds them for the rest of
  /// this process. Others that choose at the same time wait. Where some are not to be had, asks again for `patience`:
  /// their job may be about to end.
  ///
  /// Does nothing but call `choose`, with no core busy, where the folder cannot be used.
  package static func claim(
    _ candidates: Set<Int>, patience: Duration = .zero, folder: String = folder,
    choose: (_ busy: Set<Int>) throws -> Set<Int>
  ) rethrows {
    // Others must be able to make files there, and nobody to remove another's.
    if mkdir(folder, 0o1777) == 0 { chmod(folder, 0o1777) }
    guard let gate = openFile("\(folder)/gate") else {
      _ = try choose([])
      return
    }
    defer { close(gate) }
    lock(gate, atMost: gatePatience)
    var taken: [Int: Int32] = [:]
    let end = ContinuousClock.now + patience
    var busy: Set<Int>
    repeat {
      busy = []
      for core in candidates where taken[core] == nil && held.withLock({ $0[core] == nil }) {
        guard let file = openFile("\(folder)/core-\(core)") else { continue }
        if flock(file, LOCK_EX | LOCK_NB) == 0 {
          taken[core] = file
        } else {
          if errno == EWOULDBLOCK { busy.insert(core) }
          close(file)
        }
      }
      if busy.isEmpty || ContinuousClock.now >= end { break }
      usleep(50_000)
    } while true
    var kept: Set<Int> = []
    defer { for (core, file) in taken where !kept.contains(core) { close(file) } }
    kept = try choose(busy)
    held.withLock { held in for (core, file) in taken where kept.contains(core) { held[core] = file } }
  }

  /// Gives back what this process holds; for tests.
  static func release() {
    held.withLock { held in
      for file in held.values { close(file) }
      held = [:]
    }
  }

  /// Without following links, and without `O_CREAT` for a file of another user's, which the kernel may forbid in such a
  /// folder.
  private static func openFile(_ path: String) -> Int32? {
    let flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW
    var file = open(path, flags)
    if file < 0, errno == ENOENT { file = open(path, flags | O_CREAT, 0o644) }
    return file < 0 ? nil : file
  }

  private static func lock(_ file: Int32, atMost limit: Duration) {
    let end = ContinuousClock.now + limit
    while flock(file, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK || errno == EINTR, ContinuousClock.now < end {
      usleep(5_000)
    }
  }
}
