import Dispatch
import Synchronization
import Threads
import Training

/// A thread that writes while its rank computes: one task after another.
///
/// It may use the cores that the thread had which made it: to be made before a rank's threads are pinned to theirs.
package final class WriterThread: Sendable {
  typealias Task = @Sendable () -> Void

  /// What the thread holds, so that it ends with its owner.
  private final class Work: Sendable {
    let tasks = Mutex<[Task]>([])
    let isOver = Atomic(false)
    let added = DispatchSemaphore(value: 0)

    func run() {
      while true {
        added.wait()
        guard !isOver.load(ordering: .relaxed) else { return }
        if let task = tasks.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { task() }
      }
    }
  }

  private let work = Work()

  /// Starts the thread.
  package init() throws(StateError) {
    do throws(ThreadError) {
      _ = try BackgroundThread("checkpoints") { [work] in work.run() }
    } catch { throw .noThread(reason: error.reason) }
  }

  deinit {
    work.isOver.store(true, ordering: .relaxed)
    work.added.signal()
  }

  func run(_ task: @escaping Task) {
    work.tasks.withLock { $0.append(task) }
    work.added.signal()
  }
}
