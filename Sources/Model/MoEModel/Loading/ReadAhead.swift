import Checkpoints
import Synchronization

/// Asks for what workers are going to read a little before they do, in the order of the files, so that a disk always
/// has something to do and sees one long read rather than several that take turns.
final class ReadAhead: Sendable {
  /// Asked for and not yet used.
  private static let windowByteCount = 64 << 20
  private static let stepByteCount = 8 << 20

  private struct Progress {
    var source = 0
    /// Bytes of that source already asked for.
    var offset = 0
    var asked = 0
    var used = 0
  }
  private let checkpoint: any Checkpoint
  private let sources: [MatrixSource]
  private let progress = Mutex(Progress())

  init(checkpoint: any Checkpoint, sources: [MatrixSource]) {
    self.checkpoint = checkpoint
    self.sources = sources
  }

  /// To be called before a worker reads, with the bytes it has used up since it called last.
  func advance(used: Int) {
    var used = used
    while let (entry, range) = progress.withLock({ step(&$0, used: used) }) {
      // Of slices some are empty.
      if !range.isEmpty { checkpoint.prefetch(entry, bytes: range) }
      used = 0
    }
  }

  private func step(_ progress: inout Progress, used: Int) -> (TensorEntry, Range<Int>)? {
    progress.used += used
    guard progress.source < sources.count, progress.asked - progress.used < Self.windowByteCount else { return nil }
    let source = sources[progress.source]
    let all = source.storedRange
    let first = all.lowerBound + progress.offset
    let range = first..<min(first + Self.stepByteCount, all.upperBound)
    progress.asked += range.count
    progress.offset += range.count
    if range.upperBound == all.upperBound {
      progress.source += 1
      progress.offset = 0
    }
    return (source.entry, range)
  }
}
