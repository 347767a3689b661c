/// The vocabulary: the bytes of each token by id, and the id of each token by its exact bytes.
///
/// Swift's strings compare by canonical equivalence, which would confuse tokens; and one arena with an open-addressed
/// index loads many times faster than a dictionary of 150,000 strings.
struct TokenTable: Sendable {
  private var arena: [UInt8] = []
  /// Start and end in the arena by id; (-1, -1) where an id is unused.
  private var starts: [Int32] = []
  private var ends: [Int32] = []
  /// Ids, -1 for a free slot; a power of two of them, at most half used.
  private var slots: [Int32]
  /// Keeps a hostile file from choosing tokens that collide.
  private let seed = UInt64.random(in: 0 ... .max)
  private(set) var count = 0

  init(capacity: Int) {
    var slotCount = 16
    while slotCount < capacity * 2 { slotCount *= 2 }
    slots = [Int32](repeating: -1, count: slotCount)
    starts.reserveCapacity(capacity)
    ends.reserveCapacity(capacity)
  }

  /// The highest id and 1.
  var idLimit: Int { starts.count }

  func contains(id: Int) -> Bool { id >= 0 && id < starts.count && starts[id] >= 0 }

  /// The UTF-8 of a token; nil for an unused id.
  func bytes(of id: Int) -> ArraySlice<UInt8>? { contains(id: id) ? arena[Int(starts[id])..<Int(ends[id])] : nil }

  func string(of id: Int) -> String? { bytes(of: id).map { String(decoding: $0, as: UTF8.self) } }

  func id(of token: String) -> Int? {
    var copy = token
    return copy.withUTF8 { id(of: $0) }
  }

  func id(of token: UnsafeBufferPointer<UInt8>) -> Int? {
    let found = slots[slot(of: token)]
    return found >= 0 ? Int(found) : nil
  }

  enum Insertion {
    case added, idTaken
    case tokenTaken(id: Int)
  }

  /// Adds a token unless its id or its bytes are there already. The arena must stay below 2 GiB (the caller's limits).
  mutating func insert(_ token: UnsafeBufferPointer<UInt8>, id: Int) -> Insertion {
    if contains(id: id) { return .idTaken }
    var slot = slot(of: token)
    guard slots[slot] < 0 else { return .tokenTaken(id: Int(slots[slot])) }
    if (count + 1) * 2 > slots.count {
      grow()
      slot = self.slot(of: token)
    }
    while starts.count <= id {
      starts.append(-1)
      ends.append(-1)
    }
    starts[id] = Int32(arena.count)
    arena.append(contentsOf: token)
    ends[id] = Int32(arena.count)
    slots[slot] = Int32(id)
    count += 1
    return .added
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    for id in starts.indices where starts[id] >= 0 {
      let slot = arena.withUnsafeBufferPointer { arena in
        self.slot(of: UnsafeBufferPointer(rebasing: arena[Int(starts[id])..<Int(ends[id])]))
      }
      slots[slot] = Int32(id)
    }
  }

  /// The slot that holds `token`, or the free one where it belongs.
  private func slot(of token: UnsafeBufferPointer<UInt8>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash(token)) & mask
    arena.withUnsafeBufferPointer { arena in
      while slots[slot] >= 0 {
        let id = Int(slots[slot])
        let start = Int(starts[id])
        if Int(ends[id]) - start == token.count {
          var i = 0
          while i < token.count, arena[start + i] == token[i] { i += 1 }
          if i == token.count { return }
        }
        slot = (slot + 1) & mask
      }
    }
    return slot
  }

  private func hash(_ token: UnsafeBufferPointer<UInt8>) -> UInt64 {
    let bytes = UnsafeRawBufferPointer(token)
    var hash = seed ^ UInt64(token.count)
    var i = 0
    while i + 8 <= token.count {
      let word = bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)
      hash = mixed(hash ^ word)
      i += 8
    }
    var rest: UInt64 = 0
    while i < token.count {
      rest = rest << 8 | UInt64(token[i])
      i += 1
    }
    return mixed(hash ^ rest)
  }
}

/// A bijection of 64 bits that spreads every bit over all (the finalizer of SplitMix64).
@inline(__always)
func mixed(_ value: UInt64) -> UInt64 {
  var z = value &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
