/// What is kept beside a state in a rule that counts: the members that an object has, or how long a string is.
final class ObjectRecord: Sendable {
  struct Content: Hashable, Sendable {
    var named: ClassSet
    /// Other members, or characters, counted as far as that matters.
    var otherCount = 0
    /// The texts of an array's items so far, and of the one that is being written.
    var seen: Set<[UInt8]> = []
    var current: [UInt8] = []
  }
  /// Unlike any other record's, also of records long gone; zero is no record.
  let serial: Int
  let content: Content

  init(serial: Int, content: Content) {
    self.serial = serial
    self.content = content
  }
}

/// What entering a state of a rule that counts asks of the record.
enum MemberGate: Sendable {
  /// A name has begun that may become one of these classes.
  case naming(ClassSet)
  /// The name of a member of this class has ended.
  case named(Int)
  /// No more members follow, or no more characters.
  case closing
  /// A character has ended, and so many more must follow at least.
  case character(distance: Int)
  /// A character has begun, which so many must follow at least.
  case within(distance: Int)
  /// A string has begun.
  case opened
  /// An item that must be new has so many texts left.
  case item(completions: Int)
  case itemEnded
  case moreItems
}

/// What the record of a rule is held to.
enum RecordTable: Sendable {
  case members(MemberTable)
  case length(LengthTable)
  case items(ItemTable)

  var initial: ObjectRecord.Content {
    switch self {
    case .members(let members): ObjectRecord.Content(named: ClassSet(capacity: members.namedCount))
    case .length, .items: ObjectRecord.Content(named: ClassSet(capacity: 0))
    }
  }
}

/// How long the strings of a rule may be, in characters.
struct LengthTable: Sendable {
  var minimum: Int
  var maximum: Int?

  /// The count after one more character, which so many must follow; nil where there is no room for them.
  func adding(to count: Int, distance: Int) -> Int? {
    guard let maximum else { return min(count + 1, minimum) }
    return count + 1 + distance <= maximum ? count + 1 : nil
  }
}
