import CKernels

/// Bytes of weights that lie together.
package struct MemoryRun: BitwiseCopyable {
  package let start: UnsafeRawPointer
  package let byteCount: Int

  /// `byteCount` bytes from `start` on, which somebody else owns.
  package init(_ start: UnsafeRawPointer, byteCount: Int) { (self.start, self.byteCount) = (start, byteCount) }

  /// Brings the bytes of `range`, counted from the start, into the caches of the core that calls.
  package func fetch(_ range: Range<Int>) { ck_fetch(start + range.lowerBound, range.count) }
}

extension PackedMatrix {
  /// The panels of a worker, which it reads in a product; nil where it has none.
  package func run(worker: Int) -> MemoryRun? {
    guard let start = shards[worker], bounds[worker] < bounds[worker + 1] else { return nil }
    return MemoryRun(start, byteCount: (bounds[worker + 1] - bounds[worker]) * format.panelByteCount(columns: columns))
  }

  /// The same of every `step`th of `worker`'s panels, from panel `first` on.
  package func forEachRun(worker: Int, everyPanel step: Int, from first: Int, _ body: (MemoryRun) -> Void) {
    guard let start = shards[worker] else { return }
    let panelBytes = format.panelByteCount(columns: columns)
    for panel in bounds[worker]..<bounds[worker + 1] where panel % step == first {
      body(MemoryRun(start + (panel - bounds[worker]) * panelBytes, byteCount: panelBytes))
    }
  }
}
