/// What the members of an object may be: the part of an object's rule that depends on which members it has already.
///
/// Members come in classes: one for each name that the schema mentions, which may come once, then one for each kind of
/// other names, which may come any number of times.
struct MemberTable: Sendable {
  /// The rule of each class's values; those of named members first.
  var rules: [Int32]
  /// How many classes are single names.
  var namedCount: Int
  var required: ClassSet
  /// What must be there as well where a named member is, and what that needs in turn; without those that need nothing.
  var companions: [Int: ClassSet] = [:]
  /// Of each of these sets one member at least must be there; other names are in it all or not at all.
  var witnesses: [ClassSet] = []
  var minimum = 0
  var maximum: Int?
  /// Whether named members come in the order of their classes, and others behind them.
  var isOrdered = false
  /// How many calls deep a member of each class goes at least, with its companions; `Heights.none` where there is none.
  var heights: [Int32] = []

  /// How many others are told apart: whether there is one, unless all are counted.
  private var otherLimit: Int { maximum ?? 1 }

  /// What an object has so far, or nil where the class cannot be added.
  func adding(_ index: Int, to record: ObjectRecord.Content) -> ObjectRecord.Content {
    var record = record
    if index < namedCount {
      record.named.insert(index)
    } else {
      record.otherCount = min(record.otherCount + 1, otherLimit)
    }
    return record
  }

  /// Whether a member of this class may be added, so that the object can still be completed.
  func admits(_ index: Int, to record: ObjectRecord.Content, room: Int32) -> Bool {
    if heights[index] > room || (index < namedCount && record.named.contains(index)) { return false }
    if isOrdered, !mayFollow(index, record, room: room) { return false }
    guard let maximum else { return true }
    if record.named.count + record.otherCount >= maximum { return false }
    let next = adding(index, to: record)
    return next.named.count + next.otherCount + need(of: next) <= maximum
  }

  /// Whether a member of this class keeps the order, and leaves none behind that the object needs.
  private func mayFollow(_ index: Int, _ record: ObjectRecord.Content, room: Int32) -> Bool {
    if index < namedCount, record.otherCount > 0 || record.named.contains(after: index) { return false }
    let next = adding(index, to: record)
    let last = min(index, namedCount)
    func lacks(_ needed: ClassSet) -> Bool { needed.contains(upTo: last, without: next.named) }
    if lacks(demanded(by: next)) { return false }
    /// Whether a member of this class may still come.
    func isOpen(_ other: Int) -> Bool {
      heights[other] <= room && (other >= namedCount || other > last && !(companions[other].map(lacks) ?? false))
    }
    for witnesses in witnesses where !isWitnessed(by: next, witnesses) {
      guard witnesses.indices.contains(where: isOpen) else { return false }
    }
    let distinct = next.named.count + min(next.otherCount, 1)
    if minimum <= distinct { return true }
    let hasOthers = next.otherCount == 0 && (namedCount..<rules.count).contains(where: isOpen)
    return minimum <= distinct + (last..<namedCount).count(where: isOpen) + (hasOthers ? 1 : 0)
  }

  /// Whether some class of `classes` may be added.
  func admits(anyOf classes: ClassSet, to record: ObjectRecord.Content, room: Int32) -> Bool {
    // Others first: they are open more often.
    for index in namedCount..<rules.count where classes.contains(index) && admits(index, to: record, room: room) {
      return true
    }
    for index in classes.indices where index < namedCount && admits(index, to: record, room: room) { return true }
    return false
  }

  func isComplete(_ record: ObjectRecord.Content) -> Bool { need(of: record) <= 0 }

  /// How many more members there must be. Others may all have one name: they are sure to make one property.
  private func need(of record: ObjectRecord.Content) -> Int {
    let demanded = demanded(by: record)
    var missing = demanded.count(without: record.named)
    for witnesses in witnesses where !isWitnessed(by: record, witnesses) && !witnesses.intersects(demanded) {
      missing += 1
    }
    let distinct = record.named.count + min(record.otherCount, 1)
    return max(missing, minimum - distinct)
  }

  private func isWitnessed(by record: ObjectRecord.Content, _ witnesses: ClassSet) -> Bool {
    if record.otherCount > 0, rules.count > namedCount, witnesses.contains(namedCount) { return true }
    return witnesses.intersects(record.named)
  }

  private func demanded(by record: ObjectRecord.Content) -> ClassSet {
    if companions.isEmpty { return required }
    var demanded = required
    for index in record.named.indices { if let more = companions[index] { demanded.formUnion(more) } }
    return demanded
  }

  /// The height of a whole object, given those of the rules its members call; nil where it has to wait for more.
  func isSatisfied(_ isLow: (Int32) -> Bool) -> Bool {
    for index in required.indices where !isLow(rules[index]) { return false }
    for witnesses in witnesses where !witnesses.indices.contains(where: { isLow(rules[$0]) }) { return false }
    if minimum <= required.count { return true }
    var count = rules[..<namedCount].count(where: isLow)
    if rules[namedCount...].contains(where: isLow) { count += 1 }
    return count >= minimum
  }

  /// Takes over the heights of rules, and forbids members whose companions have none.
  mutating func settle(_ height: (Int32) -> Int32) {
    heights = rules.map { rule in
      let height = height(rule)
      return height == Heights.none ? Heights.none : height + 1
    }
    let own = heights
    for (index, companions) in companions {
      for companion in companions.indices { heights[index] = max(heights[index], own[companion]) }
    }
  }
}

/// A set of small numbers.
struct ClassSet: Hashable, Sendable {
  private(set) var words: [UInt64]

  init(capacity: Int) { words = [UInt64](repeating: 0, count: (capacity + 63) / 64) }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
  var count: Int {
    var count = 0
    for word in words { count += word.nonzeroBitCount }
    return count
  }
  func contains(_ index: Int) -> Bool { words[index >> 6] >> UInt64(index & 63) & 1 == 1 }
  /// Whether there is a greater member.
  func contains(after index: Int) -> Bool {
    let word = (index + 1) >> 6
    if word >= words.count { return false }
    return words[word] >> UInt64((index + 1) & 63) != 0 || words[(word + 1)...].contains { $0 != 0 }
  }

  /// Whether some member up to `last` is not in the other set, of no greater capacity.
  func contains(upTo last: Int, without other: ClassSet) -> Bool {
    for i in words.indices where i << 6 <= last {
      let kept = last >> 6 > i ? UInt64.max : .max >> UInt64(63 - last & 63)
      if words[i] & kept & ~(i < other.words.count ? other.words[i] : 0) != 0 { return true }
    }
    return false
  }

  mutating func insert(_ index: Int) { words[index >> 6] |= 1 << UInt64(index & 63) }

  /// Both sets must have the same capacity. Returns whether the set has grown.
  @discardableResult
  mutating func formUnion(_ other: ClassSet) -> Bool {
    var hasGrown = false
    for i in words.indices where other.words[i] & ~words[i] != 0 {
      words[i] |= other.words[i]
      hasGrown = true
    }
    return hasGrown
  }

  /// The other set may have a smaller capacity.
  func intersects(_ other: ClassSet) -> Bool { zip(words, other.words).contains { $0 & $1 != 0 } }

  /// How many members the other set, of no greater capacity, has not.
  func count(without other: ClassSet) -> Int {
    var count = 0
    for i in words.indices { count += (words[i] & ~(i < other.words.count ? other.words[i] : 0)).nonzeroBitCount }
    return count
  }

  var indices: [Int] {
    var indices: [Int] = []
    for (i, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        indices.append(i << 6 + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
    return indices
  }
}
