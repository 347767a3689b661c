import Training

/// What a training needs before it begins: memory of each rank, and room on the disk.
package struct TrainingBudget: Sendable {
  /// Of this rank.
  package let memory: TrainingMemory
  package let disk: DiskSpace
  /// Bytes that data take on each rank, where it is known.
  package var dataBytes = 0
  /// Whether checkpoints are to be written in the background whatever it takes.
  package var insistsOnBackground = false
  private let terms: TrainingLayout.Terms

  package init(_ layout: TrainingLayout, rank: Int, disk: DiskSpace) {
    (memory, terms, self.disk) = (TrainingMemory(layout, rank: rank), layout.terms, disk)
  }

  /// What must be there: a copy for checkpoints only where somebody insists on it.
  private var leastBytes: Int {
    memory.least + (insistsOnBackground ? memory.byteCount(.checkpoints) : 0) + min(dataBytes, Int.max / 4)
  }

  /// Of what rollouts can do without, the part that this rank has room for: at most half of what is left.
  package func rolloutShare(available: Int, ranksOnHost: Int) -> Double {
    let spare = max(0, available / max(1, ranksOnHost) - leastBytes)
    return memory.spareRollouts > 0 ? min(1, Double(spare / 2) / Double(memory.spareRollouts)) : 1
  }

  /// Throws where this rank's part is more than its share of what its host has.
  package func checkMemory(available: Int, ranksOnHost: Int) throws(DistributedTrainingError) {
    let share = available / max(1, ranksOnHost)
    guard leastBytes > share else { return }
    var parts = TrainingMemory.Part.allCases.filter { $0 != .checkpoints || insistsOnBackground }.map {
      (label: $0.label, bytes: memory.byteCount($0) - ($0 == .rollouts ? memory.spareRollouts : 0))
    }
    if dataBytes > 0 { parts.append(("data", dataBytes)) }
    // The largest first; small ones need no words.
    let told = parts.filter { $0.bytes >= leastBytes / 50 }.sorted { ($1.bytes, $0.label) < ($0.bytes, $1.label) }
    throw .tooLittleMemory(
      needed: leastBytes, parts: told.map { "\($0.label) \(Self.size($0.bytes))" }, available: share,
      ranksOnHost: ranksOnHost, recomputes: terms.recomputes)
  }

  static func size(_ bytes: Int) -> String {
    let mebibytes = bytes >> 20
    guard mebibytes >= 1024 else { return "\(mebibytes) MiB" }
    return "\(mebibytes >> 10).\((mebibytes & 1023) * 10 >> 10) GiB"
  }
}
