import Synchronization

/// The sums of what was read of a checkpoint's tensors, by their places in `entries`; from any thread.
///
/// Each byte counts once: a tensor that several read in parts is added up, and one that each of them reads whole is
/// noted once.
package final class ReadSums: Sendable {
  private struct State {
    var sums: [TensorSum]
    var isWhole: Set<Int> = []
  }

  private let checkpoint: any Checkpoint
  private let state: Mutex<State>

  package init(_ checkpoint: any Checkpoint) {
    self.checkpoint = checkpoint
    state = Mutex(State(sums: Array(repeating: TensorSum(), count: checkpoint.entries.count)))
  }

  /// Adds the sum of a part that nobody else reads.
  package func add(_ sum: TensorSum, of entry: TensorEntry) {
    guard sum.byteCount > 0, let position = checkpoint.position(of: entry) else { return }
    state.withLock { $0.sums[position] += sum }
  }

  /// Notes a tensor's sum, once, however many read it.
  package func noteWhole(_ entry: TensorEntry, _ sum: () -> TensorSum) {
    guard let position = checkpoint.position(of: entry), state.withLock({ $0.isWhole.insert(position).inserted }) else {
      return
    }
    let whole = sum()
    state.withLock { $0.sums[position] = whole }
  }

  /// By place in the checkpoint's `entries`; of no bytes where nothing was read.
  package var sums: [TensorSum] { state.withLock { $0.sums } }
}
