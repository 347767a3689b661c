private import Glibc

/// Why this host could not be described or used, with the value that stood in the way.
package enum MachineError: Error, Equatable, CustomStringConvertible {
  /// A call to the operating system failed.
  case system(call: String, errno: Int32, reason: String)
  case noAllowedCores
  case invalidThreadCount(Int, limit: Int)
  case localRankOutOfRange(localRank: Int, count: Int)
  case rankWithoutCores(localRank: Int)
  /// What was given with `--cores`.
  case malformedCores(String)
  case unavailableCores([Int], allowed: [Int])
  /// More cores of a host than a job may use there.
  case tooFewCores(Int, usable: [Int], hardwareThreads: Int)
  case invalidByteCount(Int)
  case arenaFull(node: Int, requested: Int, used: Int, byteCount: Int)
  /// What another process was to share is something else.
  case notSharedMemory
  /// Why this host's keeper of weights cannot be had.
  case keeper(String)

  package var description: String {
    switch self {
    case .system(let call, let number, let reason):
      "\(call) failed: \(reason) (errno \(number))"
    case .noAllowedCores:
      "the operating system allows this process no core; check the cpuset or the launcher's binding"
    case .invalidThreadCount(let count, let limit):
      "\(count) threads per rank asked for; give a number from 1 to \(limit)"
    case .localRankOutOfRange(let localRank, let count):
      "local rank \(localRank) asked for its cores, but \(count) ranks of this host reported theirs"
    case .rankWithoutCores(let localRank):
      "local rank \(localRank) of this host may use no core; check the launcher's binding"
    case .malformedCores(let text):
      """
      cores \"\(text)\" are neither a count from 1 to \(WorkerPool.workerLimit) nor a list such as 0-3,8 (of one core: \
      0-0)
      """
    case .unavailableCores(let wanted, let allowed):
      """
      cores \(CoreRequest.text(wanted)), named with --cores, may not be used here, only \
      \(CoreRequest.text(allowed)); name some of those, and start mpirun with --bind-to none
      """
    case .tooFewCores(let count, let usable, let threads):
      """
      --cores \(count) asks for more cores than there are: this host has \(usable.count) for the job \
      (\(CoreRequest.text(usable))
      """
        + (threads > usable.count ? ", of \(threads) hardware threads" : "")
        + "); give at most \(usable.count), or leave --cores out for all"
    case .invalidByteCount(let count):
      "\(count) bytes of memory asked for; the count must not be negative or beyond the address space"
    case .arenaFull(let node, let requested, let used, let byteCount):
      "the memory planned for NUMA node \(node) is full: \(requested) bytes asked for, \(used) of \(byteCount) in use"
    case .notSharedMemory: "what another process was to share is not the memory that it tells of"
    case .keeper(let reason): "no keeper of weights on this host: \(reason)"
    }
  }
}

extension MachineError {
  /// The failed call with the system's own words for its errno.
  static func system(_ call: String, _ number: Int32) -> MachineError {
    .system(call: call, errno: number, reason: String(cString: strerror(number)))
  }
}
