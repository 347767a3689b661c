/// The memory in which a word is merged, kept from word to word; not for use by two threads at once.
final class MergeScratch {
  /// The word as token ids, before and during merging.
  var symbols: [Int32] = []
  private var ranks: [UInt32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// A binary heap of rank << 32 | position: the lowest rank first, of equal ones the leftmost.
  private var heap: [UInt64] = []

  /// Up to this length scanning for the lowest rank beats keeping a heap.
  private static let scanLimit = 24
  private static let noMerge = UInt32.max

  /// Merges `symbols` until no pair has a merge and appends what is left.
  func mergeAll(_ merges: MergeTable, _ mergedIDs: [Int32], into ids: inout [Int]) {
    if symbols.count <= 1 {
      for symbol in symbols { ids.append(Int(symbol)) }
    } else if symbols.count <= Self.scanLimit {
      mergeByScanning(merges, mergedIDs, into: &ids)
    } else {
      mergeWithHeap(merges, mergedIDs, into: &ids)
    }
  }

  private func mergeByScanning(_ merges: MergeTable, _ mergedIDs: [Int32], into ids: inout [Int]) {
    var count = symbols.count
    ranks.removeAll(keepingCapacity: true)
    for i in 0..<count - 1 { ranks.append(merges.merge(symbols[i], symbols[i + 1])?.rank ?? Self.noMerge) }
    while count > 1 {
      var best = 0
      for i in 1..<max(count - 1, 1) where ranks[i] < ranks[best] { best = i }
      guard ranks[best] != Self.noMerge else { break }
      symbols[best] = mergedIDs[Int(ranks[best])]
      count -= 1
      for i in best + 1..<max(count, best + 1) {
        symbols[i] = symbols[i + 1]
        ranks[i - 1] = ranks[i]
      }
      if best > 0 { ranks[best - 1] = merges.merge(symbols[best - 1], symbols[best])?.rank ?? Self.noMerge }
      if best + 1 < count { ranks[best] = merges.merge(symbols[best], symbols[best + 1])?.rank ?? Self.noMerge }
    }
    for i in 0..<count { ids.append(Int(symbols[i])) }
  }

  private func mergeWithHeap(_ merges: MergeTable, _ mergedIDs: [Int32], into ids: inout [Int]) {
    let count = symbols.count
    next.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    for i in 0..<count {
      next.append(i + 1 < count ? Int32(i + 1) : -1)
      previous.append(Int32(i - 1))
    }
    for i in 0..<count - 1 {
      if let merge = merges.merge(symbols[i], symbols[i + 1]) { push(merge.rank, Int32(i)) }
    }
    while let (rank, position) = pop() {
      let left = Int(position)
      // Symbols merged away are -1; an entry can also be older than what its position holds now.
      guard symbols[left] >= 0, next[left] >= 0 else { continue }
      let right = Int(next[left])
      let id = mergedIDs[Int(rank)]
      guard let merge = merges.merge(symbols[left], symbols[right]), merge.id == id else { continue }
      symbols[left] = id
      symbols[right] = -1
      next[left] = next[right]
      if next[left] >= 0 { previous[Int(next[left])] = position }
      if previous[left] >= 0, let merge = merges.merge(symbols[Int(previous[left])], id) {
        push(merge.rank, previous[left])
      }
      if next[left] >= 0, let merge = merges.merge(id, symbols[Int(next[left])]) { push(merge.rank, position) }
    }
    var position = 0
    while position >= 0 {
      ids.append(Int(symbols[position]))
      position = Int(next[position])
    }
  }

  private func push(_ rank: UInt32, _ position: Int32) {
    let entry = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: position))
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[parent] > entry else { break }
      heap[child] = heap[parent]
      child = parent
    }
    heap[child] = entry
  }

  private func pop() -> (rank: UInt32, position: Int32)? {
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      var parent = 0
      while true {
        var child = 2 * parent + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        guard heap[child] < last else { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = last
    }
    return (UInt32(top >> 32), Int32(bitPattern: UInt32(truncatingIfNeeded: top)))
  }
}
