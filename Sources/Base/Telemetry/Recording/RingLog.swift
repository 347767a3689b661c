/// The latest entries in memory of a fixed size: the oldest make room.
struct RingLog<Entry: BitwiseCopyable> {
  private let capacity: Int
  private var entries: [Entry] = []
  private var next = 0

  init(capacity: Int) {
    self.capacity = max(capacity, 1)
    entries.reserveCapacity(self.capacity)
  }

  mutating func append(_ entry: Entry) {
    if entries.count < capacity { entries.append(entry) } else { entries[next] = entry }
    next = next + 1 == capacity ? 0 : next + 1
  }

  mutating func clear() {
    entries.removeAll(keepingCapacity: true)
    next = 0
  }

  /// Oldest first.
  var inOrder: [Entry] { entries.count < capacity ? entries : Array(entries[next...] + entries[..<next]) }
}
