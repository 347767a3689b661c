import MoEModel

/// The attention cache of one rank as rank 0 keeps account of it: which block holds what, and who uses it.
///
/// A block is *free*, *in use* by one sequence or several, or *idle*: nobody's, but kept for the tokens it holds. Full
/// blocks that are *kept* form a tree: a block's keys and values depend on all tokens before it, so that it is found by
/// its parent and its own tokens, compared exactly. A sequence in use holds every kept block from the root to its own,
/// so that an idle block has idle children only, and whoever evicts leaves first never cuts a path.
struct BlockPool {
  static let none: Int32 = -1

  private struct Key: Hashable {
    var parent: Int32
    var tokens: [Int32]
  }

  private struct Node {
    var references: Int32 = 0
    /// Where it is found, while it is kept.
    var key: Key?
    var children: Int32 = 0
    var lastUse: UInt64 = 0
  }

  let blockCount: Int
  private var nodes: [Node]
  private var free: [Int32]
  private var kept: [Key: Int32] = [:]
  /// Idle blocks without kept children, the least recently used first.
  private var leaves: BlockQueue
  private(set) var idleCount = 0
  private var clock: UInt64 = 0
  /// The rank's recurrent states, of which snapshots belong to kept blocks.
  var states: StateSlots

  init(blockCount: Int, stateCount: Int = 0) {
    self.blockCount = blockCount
    states = StateSlots(count: stateCount)
    nodes = Array(repeating: Node(), count: blockCount)
    free = (0..<Int32(blockCount)).reversed()
    leaves = BlockQueue(capacity: blockCount)
  }

  /// Blocks that can be had: free ones and idle ones.
  var availableCount: Int { free.count + idleCount }
  var inUseCount: Int { blockCount - availableCount }

  /// The kept blocks that hold the longest part of `tokens` from its start, at most `limit` of them.
  func prefix(of tokens: [Int32], limit: Int) -> [Int32] {
    var found: [Int32] = []
    var parent = Self.none
    let size = KeyValueCache.blockTokens
    while found.count < limit, (found.count + 1) * size <= tokens.count {
      let key = Key(parent: parent, tokens: Array(tokens[(found.count * size)..<((found.count + 1) * size)]))
      guard let block = kept[key] else { break }
      found.append(block)
      parent = block
    }
    return found
  }

  func idle(among blocks: [Int32]) -> Int { blocks.count { nodes[Int($0)].references == 0 } }

  /// Takes a block of nobody's for new content, the least recently used idle one where none is free; nil when all are
  /// in use.
  mutating func take() -> Int32? {
    if free.isEmpty { evict() }
    guard let block = free.popLast() else { return nil }
    nodes[Int(block)].references = 1
    return block
  }

  /// Takes part in blocks that hold what a sequence needs.
  mutating func hold(_ blocks: [Int32]) {
    for block in blocks {
      let i = Int(block)
      if nodes[i].references == 0 {
        idleCount -= 1
        leaves.remove(block)
      }
      nodes[i].references += 1
    }
  }

  /// Has a full block of a sequence found by others: `tokens` after those of `parent`, which the sequence holds.
  /// Returns the block to be the parent of the next: this one, or one that holds the same already, in which the
  /// sequence then takes part too.
  mutating func keep(_ block: Int32, parent: Int32, tokens: ArraySlice<Int32>) -> Int32 {
    let key = Key(parent: parent, tokens: Array(tokens))
    if let same = kept[key] {
      if same != block { hold([same]) }
      return same
    }
    kept[key] = block
    nodes[Int(block)].key = key
    if parent != Self.none { nodes[Int(parent)].children += 1 }
    return block
  }

  /// Ends a sequence's part in these blocks, from the root on.
  mutating func release(_ blocks: [Int32]) {
    clock += 1
    // The last ones first, which become leaves first.
    for block in blocks.reversed() {
      let i = Int(block)
      nodes[i].references -= 1
      guard nodes[i].references == 0 else { continue }
      guard nodes[i].key != nil else {
        free.append(block)
        continue
      }
      idleCount += 1
      nodes[i].lastUse = clock
      if nodes[i].children == 0 { leaves.insert(block, lastUse: clock) }
    }
  }

  /// Frees every idle block: what they hold is no longer found. Blocks in use are let go as before.
  mutating func forget() {
    // An idle block has idle children only, so that leaf after leaf all of them go.
    for _ in 0..<idleCount { evict() }
  }

  /// Frees the idle leaf that nobody has used for longest.
  private mutating func evict() {
    guard let block = leaves.popFirst(), let key = nodes[Int(block)].key else { return }
    kept[key] = nil
    nodes[Int(block)].key = nil
    states.drop(block)
    idleCount -= 1
    free.append(block)
    guard key.parent != Self.none else { return }
    let parent = Int(key.parent)
    nodes[parent].children -= 1
    if nodes[parent].children == 0, nodes[parent].references == 0 {
      leaves.insert(key.parent, lastUse: nodes[parent].lastUse)
    }
  }
}
