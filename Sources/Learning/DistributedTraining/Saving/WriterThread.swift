import Threads
import Training

/// A thread that writes while its rank computes: one task after another.
///
/// It may use the cores that the thread had which made it: to be made before a rank's threads are pinned to theirs.
package final class WriterThread: Sendable {
  typealias Task = @Sendable () -> Void

  /// What the thread holds, so that it ends with its owner: what is to be done; nil at the end.
  private let tasks = Monitor<[Task]?>([])

  /// Starts the thread.
  package init() throws(StateError) {
    do throws(ThreadError) {
      _ = try BackgroundThread("checkpoints") { [tasks] in
        while let task = Self.next(tasks) { task() }
      }
    } catch { throw .noThread(reason: error.reason) }
  }

  deinit { tasks.change { $0 = nil } }

  func run(_ task: @escaping Task) { tasks.change { $0?.append(task) } }

  /// Waits for a task; nil at the end.
  private static func next(_ tasks: Monitor<[Task]?>) -> Task? {
    tasks.wait { waiting -> Task?? in
      guard let first = waiting?.first else { return waiting == nil ? .some(nil) : .none }
      waiting?.removeFirst()
      return .some(first)
    }
  }
}
