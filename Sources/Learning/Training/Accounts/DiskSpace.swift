import Glibc

/// What a training's checkpoints take of a disk: those that are kept, and the next, which is written before the oldest
/// goes.
package struct DiskSpace: Sendable, Equatable {
  /// Of one checkpoint: model, state, and what lies beside them.
  package let modelBytes: Int
  package let stateBytes: Int
  package let kept: Int
  /// Models that are kept for longer than their states.
  package let pinned: Int
  /// Checkpoints that are there already.
  package let present: Int

  /// `keep`: how many checkpoints stay, at least one; `pins`: whether a model stays for longer. Counts those in
  /// `folder`.
  package init(_ plan: SavePlan, companions: Companions, folder: String, keep: Int, pins: Bool = false) {
    modelBytes = plan.exportedByteCount + companions.byteCount
    (stateBytes, kept, pinned) = (plan.stateByteCount, max(1, keep), pins ? 1 : 0)
    present = min(TrainingFolder.steps(in: folder).count, kept)
  }

  package var checkpointBytes: Int { modelBytes + stateBytes }
  /// With one that is being written.
  package var total: Int { Self.sum(Self.product(checkpointBytes, kept + 1), pinned * modelBytes) }
  /// What is not there yet.
  package var needed: Int { Self.sum(Self.product(checkpointBytes, kept + 1 - present), pinned * modelBytes) }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflows) = a.addingReportingOverflow(b)
    return overflows ? Int.max : sum
  }

  private static func product(_ bytes: Int, _ count: Int) -> Int {
    let (product, overflows) = bytes.multipliedReportingOverflow(by: count)
    return overflows ? Int.max : product
  }

  /// Bytes that this user may still write where a path lies, or would lie; nil where nobody tells.
  package static func available(at path: String) -> Int? {
    var path = path.isEmpty ? "." : path
    var space = statvfs()
    while statvfs(path, &space) != 0 {
      guard errno == ENOENT, path != "/", path != "." else { return nil }
      while path.count > 1, path.hasSuffix("/") { path.removeLast() }
      let parent = path.lastIndex(of: "/").map { String(path[..<$0]) }
      path = parent.map { $0.isEmpty ? "/" : $0 } ?? "."
    }
    let (bytes, overflows) = Int(clamping: space.f_bavail).multipliedReportingOverflow(
      by: Int(clamping: space.f_frsize))
    return overflows ? Int.max : bytes
  }

  /// Throws where `needed` is more than `available` bytes; nil is taken for enough.
  package func check(folder: String, available: Int?) throws(StateError) {
    guard let available, available < needed else { return }
    throw .noSpace(
      folder: folder, needed: needed, checkpoint: checkpointBytes, count: kept + 1 - present, available: available)
  }
}
