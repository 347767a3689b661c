/// A matrix's panels as one run of bytes, whichever workers have them: how weights travel from one memory to another.
extension PackedMatrix {
  /// Bytes of all panels.
  package var byteCount: Int { (bounds.last ?? 0) * format.panelByteCount(columns: columns) }

  /// Copies bytes `range` of the panels, in the order of rows, to `target`, which has room for as many.
  package func copyPanels(_ range: Range<Int>, to target: UnsafeMutableRawPointer) {
    forEachRun(of: range) { memory, place, count in (target + place).copyMemory(from: memory, byteCount: count) }
  }

  /// Copies `source`, as many bytes as `range`, over those bytes of the panels, in the order of rows. Nobody may
  /// multiply meanwhile.
  package func fillPanels(_ range: Range<Int>, from source: UnsafeRawPointer) {
    forEachRun(of: range) { memory, place, count in memory.copyMemory(from: source + place, byteCount: count) }
  }

  /// Calls `body` with where each run of the bytes lies, its place in the range, and its length.
  private func forEachRun(of range: Range<Int>, _ body: (UnsafeMutableRawPointer, Int, Int) -> Void) {
    let panelBytes = format.panelByteCount(columns: columns)
    for (worker, shard) in shards.enumerated() {
      let own = (bounds[worker] * panelBytes)..<(bounds[worker + 1] * panelBytes)
      let run = own.clamped(to: range)
      guard !run.isEmpty, let shard else { continue }
      body(shard + (run.lowerBound - own.lowerBound), run.lowerBound - range.lowerBound, run.count)
    }
  }
}
