private import CHost
private import Glibc

/// Calls the C function of this name with the Swift calling convention, as its definition in pool.c declares.
@_silgen_name("host_pool_run")
private func hostPoolRun(_ pool: OpaquePointer, _ body: (_ worker: Int) -> Void)

/// Threads that run one body together and meet again at its end: fork and join, many thousand times a second.
///
/// The thread that creates the pool is worker 0, and the one to call `run`. Waiting workers spin, then park.
package final class WorkerPool: Sendable {
  package let workerCount: Int
  private nonisolated(unsafe) let handle: OpaquePointer
  private let nodeOfWorker: [Int]
  private let processesByNode: [Int: Int]
  /// What worker 0 looks after besides, at every barrier. Set and polled by the thread that calls `run`.
  package nonisolated(unsafe) var polled: (any Polled)?

  /// How long a waiting worker spins before it parks: longer than the serial gaps of a decode step (tens of
  /// microseconds), because waking a parked thread costs about as much again.
  package static let defaultSpin = Duration.microseconds(100)

  /// The most workers one pool may have.
  package static let workerLimit = 4096

  /// Starts one worker for each entry of `cores`, pinned to it when `pin` is set (the caller too, until `deinit`).
  ///
  /// With `oversubscribed`, repeated cores, or more workers than the process may use cores, waiters park at once.
  /// `processesByNode`: how many processes of a job have workers near to a node, where that is more than this one.
  /// Throws when a thread cannot be started or pinned.
  package init(
    cores: [Int], nodes: [NUMANode] = [], processesByNode: [Int: Int] = [:], pin: Bool, oversubscribed: Bool = false,
    spin: Duration = defaultSpin
  ) throws(MachineError) {
    guard (1...Self.workerLimit).contains(cores.count) else {
      throw .invalidThreadCount(cores.count, limit: Self.workerLimit)
    }
    guard let numbers = Self.coreNumbers(cores) else { throw .system("pthread_setaffinity_np", EINVAL) }
    var none: Int32 = 0
    let allowedCount = host_allowed_cores(&none, 0)
    let crowded = oversubscribed || Set(cores).count < cores.count || cores.count > allowedCount
    var error: Int32 = 0
    let pool = numbers.withUnsafeBufferPointer {
      // 2 MiB of stack for each: kernels keep their tiles there.
      host_pool_create(cores.count, pin ? $0.baseAddress : nil, crowded ? 0 : Self.nanoseconds(spin), 2 << 20, &error)
    }
    guard let pool else { throw .system(pin ? "starting pinned threads" : "starting threads", error) }
    handle = pool
    workerCount = cores.count
    self.processesByNode = processesByNode
    nodeOfWorker = cores.map { NUMANode.memory(near: $0, of: nodes) }
  }

  /// A pool of unpinned workers, all counted to node 0.
  package convenience init(workerCount: Int) throws(MachineError) {
    guard (1...Self.workerLimit).contains(workerCount) else {
      throw .invalidThreadCount(workerCount, limit: Self.workerLimit)
    }
    try self.init(cores: Array(0..<workerCount), pin: false)
  }

  deinit { host_pool_destroy(handle) }

  /// The NUMA node whose memory is near to a worker, from 0 to below `workerCount`.
  package func node(ofWorker worker: Int) -> Int { nodeOfWorker[worker] }

  /// Processes of the job, this one among them, that take memory of the node with this number; at least 1.
  package func processes(onNode node: Int) -> Int { max(1, processesByNode[node] ?? 1) }

  /// Runs `body` once on every worker, 0 on the calling thread, and returns when all have returned.
  ///
  /// Allocates nothing. A call from inside a body, or from two threads at once, ends the process with a message.
  /// `worker` counts from 0 to below `workerCount`.
  package func run(_ body: (_ worker: Int) -> Void) { hostPoolRun(handle, body) }

  /// Waits until every worker of the running body has called it; what each wrote before, all see after. `worker`: the
  /// number that the body was given.
  package func barrier(worker: Int) {
    if worker == 0 { polled?.poll() }
    host_pool_barrier(handle, worker)
  }

  private static func coreNumbers(_ cores: [Int]) -> [Int32]? {
    var numbers: [Int32] = []
    for core in cores {
      guard let number = Int32(exactly: core), number >= 0, number < 1 << 20 else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  private static func nanoseconds(_ spin: Duration) -> UInt64 {
    // A second of spinning is more than anyone can mean, and keeps the arithmetic far from overflow.
    UInt64(max(0, min(spin, .seconds(1)) / .nanoseconds(1)))
  }
}
