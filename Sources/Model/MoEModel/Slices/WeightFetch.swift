import Kernels
import Machine
import Synchronization

/// Brings weights into the workers' caches while messages travel: worker 0, which exchanges them, between two looks at
/// whether they are here, and the others until it says that they are. Nothing is computed before its time, so no result
/// knows of it.
package final class WeightFetch: @unchecked Sendable {
  /// Bytes between two looks: about as long as a look takes.
  private static let stretch = 2048

  /// Of one exchange and worker.
  private let byteLimit: Int
  private let isUnderWay = Atomic<Bool>(false)
  /// Worker 0's, on its thread alone.
  private var own = Cursor()

  /// How far a worker is in what it fetches.
  private struct Cursor {
    private var runs = UnsafeBufferPointer<MemoryRun>(start: nil, count: 0)
    private var (index, offset) = (0, 0)
    /// Bytes that its caches still have room for.
    private(set) var left = 0

    init() {}

    init(_ runs: UnsafeBufferPointer<MemoryRun>, byteLimit: Int) { (self.runs, left) = (runs, byteLimit) }

    /// Fetches the next stretch; returns its length, 0 where nothing is left.
    mutating func step() -> Int {
      guard index < runs.count, left > 0 else { return 0 }
      let run = runs[index]
      let count = min(WeightFetch.stretch, run.byteCount - offset, left)
      run.fetch(offset..<(offset + count))
      offset += count
      left -= count
      if offset == run.byteCount { (index, offset) = (index + 1, 0) }
      return count
    }
  }

  /// Nil where caches are to be left alone.
  package init?(byteLimit: Int) {
    guard byteLimit > 0 else { return nil }
    self.byteLimit = byteLimit
  }

  /// By worker 0, before it meets the others for an exchange.
  package func begin() { isUnderWay.store(true, ordering: .releasing) }

  /// By worker 0, when the exchange has ended.
  package func end() {
    isUnderWay.store(false, ordering: .releasing)
    own = Cursor()
  }

  /// Another worker's part, until the exchange has ended or its caches are full; returns how many bytes that was.
  @discardableResult
  package func follow(_ next: NextWeights, worker: Int) -> Int {
    var cursor = Cursor(next.runs(worker: worker), byteLimit: byteLimit)
    while isUnderWay.load(ordering: .relaxed), cursor.step() > 0 {}
    return byteLimit - cursor.left
  }

  /// What worker 0 is to fetch by `step`.
  package func take(_ next: NextWeights) { own = Cursor(next.runs(worker: 0), byteLimit: byteLimit) }

  /// Worker 0's next stretch, while it waits; returns its length, 0 where nothing is left.
  @discardableResult
  package func step() -> Int { own.step() }
}

extension WeightFetch: Polled {
  package func poll() { step() }
}
