import JSON

/// The elements of a list or tuple.
final class ListStorage {
  let items: [Value]
  let depth: Int

  init(_ items: [Value]) {
    self.items = items
    depth = 1 + items.reduce(0) { max($0, $1.depth) }
  }
}

/// A dict: keys in insertion order, each looked up by Python's equality.
final class DictStorage {
  let keys: [Value]
  let values: [Value]
  let depth: Int
  private let index: [HashKey: Int]

  fileprivate init(_ builder: DictBuilder) {
    keys = builder.keys
    values = builder.values
    index = builder.index
    depth = 1 + max(keys.reduce(0) { max($0, $1.depth) }, values.reduce(0) { max($0, $1.depth) })
  }

  func position(of key: HashKey) -> Int? { index[key] }
  func value(of key: String) -> Value? { index[.string(ExactString(key))].map { values[$0] } }
}

/// A dict in the making; a key set again keeps its place.
struct DictBuilder {
  fileprivate(set) var keys: [Value] = []
  fileprivate(set) var values: [Value] = []
  fileprivate var index: [HashKey: Int] = [:]

  mutating func set(_ key: Value, hash: HashKey, _ value: Value) {
    if let position = index[hash] {
      values[position] = value
    } else {
      index[hash] = keys.count
      keys.append(key)
      values.append(value)
    }
  }

  mutating func set(_ key: String, _ value: Value) {
    set(.string(key), hash: .string(ExactString(key)), value)
  }

  func build() -> DictStorage { DictStorage(self) }
}

/// What a dict key hashes and compares by: numbers by value whatever their type, strings by code points.
enum HashKey: Hashable {
  case none, undefined
  case integer(Int)
  case float(Double)
  case bigInteger(String)
  case string(ExactString)
  case tuple([HashKey])

  /// Nil for values Python cannot hash.
  init?(_ value: Value) {
    switch value {
    case .none: self = .none
    case .undefined: self = .undefined
    case .bool(let flag): self = .integer(flag ? 1 : 0)
    case .integer(let integer): self = .integer(integer)
    case .bigInteger(let text): self = .bigInteger(text)
    case .float(let float): self = Int(exactly: float).map { .integer($0) } ?? .float(float)
    case .string(let text), .markup(let text): self = .string(ExactString(text))
    case .tuple(let storage):
      var keys: [HashKey] = []
      for item in storage.items {
        guard let key = HashKey(item) else { return nil }
        keys.append(key)
      }
      self = .tuple(keys)
    default: return nil
    }
  }
}

/// `dict.keys()`, `dict.values()` or `dict.items()`.
struct DictView {
  enum Kind: String {
    case keys = "dict_keys"
    case values = "dict_values"
    case items = "dict_items"
  }
  let kind: Kind
  let dict: DictStorage

  var items: [Value] {
    switch kind {
    case .keys: dict.keys
    case .values: dict.values
    case .items: zip(dict.keys, dict.values).map { .tuple(ListStorage([$0, $1])) }
    }
  }
}

/// `range(start, stop, step)`; made only by `Rendering.range`, which bounds its count.
struct RangeStorage {
  let start: Int
  let step: Int
  let count: Int
  /// The bound as given, for printing.
  let stop: Int

  /// The element at `i` in `0..<count`; within bounds it cannot overflow.
  func element(_ i: Int) -> Int { start &+ i &* step }
}

/// A Python iterator: its items come once.
final class IteratorStorage {
  private let items: [Value]
  private var next = 0
  let depth: Int

  init(_ items: [Value]) {
    self.items = items
    depth = 1 + items.reduce(0) { max($0, $1.depth) }
  }

  func pull() -> Value? {
    guard next < items.count else { return nil }
    defer { next += 1 }
    return items[next]
  }

  func drain() -> [Value] {
    defer { next = items.count }
    return Array(items[next...])
  }
}

/// The mutable attributes of a `namespace(...)`.
final class NamespaceStorage {
  var attributes = DictBuilder()
  func value(of name: String) -> Value? { attributes.index[.string(ExactString(name))].map { attributes.values[$0] } }
}

/// A method taken from a value but not yet called.
final class BoundMethod {
  let receiver: Value
  let name: String
  init(receiver: Value, name: String) {
    self.receiver = receiver
    self.name = name
  }
}

/// The functions a template finds without being given them.
enum GlobalFunction: String {
  case range, dict, namespace
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
}
