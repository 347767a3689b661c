/// The recurrent states of one rank as rank 0 keeps account of them: which slot a sequence works in, and which hold
/// *snapshots*, states as they were at the end of a kept block of the attention cache.
///
/// A recurrent state cannot be cut back: a sequence can go on after a prefix found in the cache only where there is a
/// snapshot. Snapshots take the slots that no sequence works in, and make room for sequences and for newer snapshots,
/// the least recently used first.
struct StateSlots {
  static let none: Int32 = -1

  private struct Snapshot {
    var slot: Int32
    var lastUse: UInt64
  }

  let count: Int
  private var free: [Int32]
  /// By the block at whose end they were taken.
  private var snapshots: [Int32: Snapshot] = [:]
  private var clock: UInt64 = 0

  init(count: Int) {
    self.count = count
    free = (0..<Int32(count)).reversed()
  }

  /// Slots that can be had.
  var availableCount: Int { free.count + snapshots.count }
  var snapshotCount: Int { snapshots.count }

  func hasSnapshot(_ block: Int32) -> Bool { snapshots[block] != nil }

  /// Takes a slot, that of the snapshot nobody has used for longest where none is free; nil when sequences work in all.
  mutating func take() -> Int32? {
    if let slot = free.popLast() { return slot }
    guard let oldest = snapshots.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
    snapshots[oldest.key] = nil
    return oldest.value.slot
  }

  mutating func give(_ slot: Int32) {
    if slot != Self.none { free.append(slot) }
  }

  /// The slot of a block's snapshot, which a sequence is to go on from.
  mutating func use(_ block: Int32) -> Int32? {
    clock += 1
    snapshots[block]?.lastUse = clock
    return snapshots[block]?.slot
  }

  /// Makes a slot a block's snapshot; false, and the slot is free again, where the block has one already.
  mutating func attach(_ slot: Int32, to block: Int32) -> Bool {
    guard snapshots[block] == nil else {
      give(slot)
      return false
    }
    clock += 1
    snapshots[block] = Snapshot(slot: slot, lastUse: clock)
    return true
  }

  /// Takes a block's snapshot away from it, and its slot; nil where it has none.
  mutating func detach(_ block: Int32) -> Int32? { snapshots.removeValue(forKey: block)?.slot }

  /// Frees the snapshot of a block that is no longer found.
  mutating func drop(_ block: Int32) { give(detach(block) ?? Self.none) }
}
