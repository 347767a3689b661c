/// The merges: for a pair of token ids, its rank (lower merges first) and the token it makes.
struct MergeTable: Sendable {
  struct Merge {
    let rank: UInt32
    let id: Int32
  }

  /// A pair of ids in 64 bits, or `free`; a power of two of slots, at most half used.
  private var keys: [UInt64]
  private var ranks: [UInt32]
  private var ids: [Int32]
  private let seed = UInt64.random(in: 0 ... .max)
  private let mask: Int
  private static let free = UInt64.max

  init(capacity: Int) {
    var slotCount = 16
    while slotCount < capacity * 2 { slotCount *= 2 }
    keys = [UInt64](repeating: Self.free, count: slotCount)
    ranks = [UInt32](repeating: 0, count: slotCount)
    ids = [Int32](repeating: 0, count: slotCount)
    mask = slotCount - 1
  }

  /// Sets a pair's merge; of two for one pair the later counts, as in the reference. At most `capacity` pairs.
  mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, id: Int32) {
    let slot = slot(left, right)
    keys[slot] = Self.key(left, right)
    ranks[slot] = rank
    ids[slot] = id
  }

  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    let slot = slot(left, right)
    return keys[slot] == Self.free ? nil : Merge(rank: ranks[slot], id: ids[slot])
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func slot(_ left: Int32, _ right: Int32) -> Int {
    let key = Self.key(left, right)
    var slot = Int(truncatingIfNeeded: mixed(key ^ seed)) & mask
    while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & mask }
    return slot
  }
}
