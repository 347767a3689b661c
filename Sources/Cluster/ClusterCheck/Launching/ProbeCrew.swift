import Dispatch
import Synchronization

/// Tasks that wait more than they work, done by a few threads.
struct ProbeCrew: Sendable {
  /// mpirun takes a core for a moment when it starts.
  private static let threadLimit = 8

  private let tasks: [@Sendable () -> HostProbe]

  init(_ tasks: [@Sendable () -> HostProbe]) { self.tasks = tasks }

  /// All results, in the order of the tasks.
  func run() -> [HostProbe] {
    let results = Results(count: tasks.count)
    let group = DispatchGroup()
    let queue = DispatchQueue(label: "probes", attributes: .concurrent)
    for _ in 0..<min(Self.threadLimit, tasks.count) {
      queue.async(group: group) {
        while let index = results.next() { results.set(index, tasks[index]()) }
      }
    }
    group.wait()
    return results.all
  }

  private final class Results: Sendable {
    private let state: Mutex<(next: Int, found: [HostProbe?])>

    init(count: Int) { state = Mutex((0, Array(repeating: nil, count: count))) }

    func next() -> Int? {
      state.withLock { state in
        guard state.next < state.found.count else { return nil }
        defer { state.next += 1 }
        return state.next
      }
    }

    func set(_ index: Int, _ probe: HostProbe) { state.withLock { $0.found[index] = probe } }
    var all: [HostProbe] { state.withLock { $0.found.compactMap { $0 } } }
  }
}
