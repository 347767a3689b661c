/// Distinct blocks in the order of their last use; any of them can be taken out at once.
struct BlockQueue {
  /// For each block its neighbours, `end` where there is none; the last entry is both ends of the list.
  private var next: [Int32]
  private var previous: [Int32]
  private var lastUse: [UInt64]
  private let end: Int32
  /// What stands in `next` for a block that is not in the list.
  private static let absent: Int32 = -1

  init(capacity: Int) {
    end = Int32(capacity)
    next = Array(repeating: Self.absent, count: capacity + 1)
    previous = next
    lastUse = Array(repeating: 0, count: capacity + 1)
    (next[capacity], previous[capacity]) = (end, end)
  }

  /// Puts a block behind those used as long ago or longer: at the end at once if it was used last, otherwise sought
  /// from the front, where whoever follows an evicted child belongs.
  mutating func insert(_ block: Int32, lastUse use: UInt64) {
    lastUse[Int(block)] = use
    var place = end
    if previous[Int(end)] != end, lastUse[Int(previous[Int(end)])] > use {
      place = next[Int(end)]
      while place != end, lastUse[Int(place)] <= use { place = next[Int(place)] }
    }
    let before = previous[Int(place)]
    (next[Int(block)], previous[Int(block)]) = (place, before)
    next[Int(before)] = block
    previous[Int(place)] = block
  }

  mutating func popFirst() -> Int32? {
    let first = next[Int(end)]
    guard first != end else { return nil }
    remove(first)
    return first
  }

  /// Does nothing for a block that is not in the list.
  mutating func remove(_ block: Int32) {
    let i = Int(block)
    guard next[i] != Self.absent else { return }
    next[Int(previous[i])] = next[i]
    previous[Int(next[i])] = previous[i]
    next[i] = Self.absent
  }
}
