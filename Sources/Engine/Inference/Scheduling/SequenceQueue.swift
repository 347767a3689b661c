/// Sequences that wait for their turn. At the front they come and go without moving the very many that may be behind.
struct SequenceQueue {
  /// The next one last.
  private var front: [ScheduledSequence] = []
  /// Those after them, in order.
  private var back: [ScheduledSequence] = []

  var count: Int { front.count + back.count }
  var isEmpty: Bool { front.isEmpty && back.isEmpty }

  /// The sequence with `place` others before it.
  subscript(place: Int) -> ScheduledSequence {
    place < front.count ? front[front.count - 1 - place] : back[place - front.count]
  }

  mutating func append(_ sequence: ScheduledSequence) { back.append(sequence) }

  mutating func putFirst(_ sequence: ScheduledSequence) { front.append(sequence) }

  mutating func remove(at place: Int) -> ScheduledSequence {
    if place >= front.count {
      var all = Array(back.reversed())
      all += front
      (front, back) = (all, [])
    }
    return front.remove(at: front.count - 1 - place)
  }

  /// Takes out the sequence of this id; false where there is none.
  mutating func remove(_ id: SequenceID) -> Bool {
    if let place = front.lastIndex(where: { $0.id == id }) {
      front.remove(at: place)
    } else if let place = back.firstIndex(where: { $0.id == id }) {
      back.remove(at: place)
    } else {
      return false
    }
    return true
  }
}
