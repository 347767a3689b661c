import JSON

extension Rendering {
  // MARK: Making values within the limits

  func text(_ text: String) throws(ChatTemplateError) -> Value {
    try allocate(text.utf8.count)
    return .string(text)
  }

  func list(_ items: [Value]) throws(ChatTemplateError) -> Value { try checked(.list(storage(items))) }
  func tuple(_ items: [Value]) throws(ChatTemplateError) -> Value { try checked(.tuple(storage(items))) }
  func dict(_ builder: DictBuilder) throws(ChatTemplateError) -> Value {
    try step(builder.keys.count)
    try allocate(builder.keys.count * 32)
    return try checked(.dict(builder.build()))
  }
  func iterator(_ items: [Value]) throws(ChatTemplateError) -> Value {
    try allocate(items.count * 16)
    return try checked(.iterator(IteratorStorage(items)))
  }

  private func storage(_ items: [Value]) throws(ChatTemplateError) -> ListStorage {
    try allocate(items.count * 16)
    return ListStorage(items)
  }

  /// Refuses a value whose containers nest deeper than printing and releasing it may recurse.
  func checked(_ value: Value) throws(ChatTemplateError) -> Value {
    guard value.depth <= limits.depth / 2 else { throw .limitExceeded(.depth, limit: limits.depth / 2, line: line) }
    return value
  }

  func hashKey(_ value: Value) throws(ChatTemplateError) -> HashKey {
    guard let key = HashKey(value) else { throw refused("unhashable type: '\(value.typeName)'") }
    return key
  }

  /// The value Python's `json` module would make of `json`.
  func value(of json: JSONValue) throws(ChatTemplateError) -> Value {
    try enter()
    defer { leave() }
    allowInput()
    switch json {
    case .null: return .none
    case .bool(let value): return .bool(value)
    case .number(let number): return Value(number)
    case .string(let string): return .string(string)
    case .array(let elements):
      var items: [Value] = []
      items.reserveCapacity(elements.count)
      for element in elements { items.append(try value(of: element)) }
      return try list(items)
    case .object(let object):
      var builder = DictBuilder()
      for (key, member) in object.members { builder.set(key, try value(of: member)) }
      return try dict(builder)
    }
  }

  /// `range(...)`; like Jinja's sandbox it refuses more than 100000 elements.
  func range(_ arguments: Arguments) throws(ChatTemplateError) -> Value {
    guard arguments.keyword.isEmpty, (1...3).contains(arguments.positional.count) else {
      throw refused("range expects 1 to 3 positional arguments")
    }
    var bounds: [Int] = []
    for value in arguments.positional {
      guard let integer = value.integer else {
        throw refusal(of: value, "'\(value.typeName)' object cannot be interpreted as an integer")
      }
      bounds.append(integer)
    }
    let start = bounds.count == 1 ? 0 : bounds[0]
    let stop = bounds.count == 1 ? bounds[0] : bounds[1]
    let step = bounds.count == 3 ? bounds[2] : 1
    guard step != 0 else { throw refused("range() arg 3 must not be zero") }
    guard step > 0 ? stop > start : stop < start else {
      return .range(RangeStorage(start: start, step: step, count: 0, stop: stop))
    }
    // The distance between two Ints always fits in a UInt.
    let distance = step > 0 ? UInt(bitPattern: stop &- start) : UInt(bitPattern: start &- stop)
    let count = (distance - 1) / step.magnitude + 1
    guard count <= 100_000 else { throw refused("range too big: the sandbox allows 100000 elements") }
    return .range(RangeStorage(start: start, step: step, count: Int(count), stop: stop))
  }

  // MARK: Iterating

  /// The elements `value` iterates over, all at once; a Python iterator is used up.
  func items(of value: Value) throws(ChatTemplateError) -> [Value] {
    switch value {
    case .undefined: return []
    case .list(let storage), .tuple(let storage):
      try step(storage.items.count >> 3)
      return storage.items
    case .dict(let dict):
      try step(dict.keys.count >> 3)
      return dict.keys
    case .view(let view):
      try allocate(view.dict.keys.count * 32)
      return view.items
    case .string(let text), .markup(let text):
      try allocate(text.utf8.count * 16)
      return text.unicodeScalars.map { .string(String($0)) }
    case .range(let range):
      try allocate(range.count * 16)
      return (0..<range.count).map { .integer(range.element($0)) }
    case .iterator(let iterator): return iterator.drain()
    case .loop: throw .unsupported("iterating over 'loop'", line: line)
    default: throw refused("'\(value.typeName)' object is not iterable")
    }
  }

  /// `len(value)`.
  func count(of value: Value) throws(ChatTemplateError) -> Int {
    switch value {
    case .undefined: return 0
    case .list(let storage), .tuple(let storage): return storage.items.count
    case .dict(let dict): return dict.keys.count
    case .view(let view): return view.dict.keys.count
    case .range(let range): return range.count
    case .string(let text), .markup(let text):
      try walk(text.utf8.count)
      return text.unicodeScalars.count
    case .loop(let loop): return try length(of: loop)
    default: throw refused("object of type '\(value.typeName)' has no len()")
    }
  }

  func assign(_ value: Value, to target: AssignmentTarget, in scope: Scope) throws(ChatTemplateError) {
    switch target {
    case .name(let name): scope.bind(name, value)
    case .attribute(let name, let owner):
      guard case .namespace(let namespace) = scope.value(of: owner) else {
        throw refused("cannot assign attribute on non-namespace object")
      }
      try setAttribute(name, value, of: namespace)
    case .tuple(let targets):
      let items = try items(of: value)
      guard items.count <= targets.count else { throw refused("too many values to unpack (expected \(targets.count))") }
      guard items.count == targets.count else {
        throw refused("not enough values to unpack (expected \(targets.count), got \(items.count))")
      }
      for (target, item) in zip(targets, items) { try assign(item, to: target, in: scope) }
    }
  }

  func setAttribute(_ name: String, _ value: Value, of namespace: NamespaceStorage) throws(ChatTemplateError) {
    guard name.utf8.first != UInt8(ascii: "_") else {
      throw refused("a namespace cannot hold the underscore-prefixed attribute '\(name)'")
    }
    namespace.attributes.set(name, value)
  }
}
