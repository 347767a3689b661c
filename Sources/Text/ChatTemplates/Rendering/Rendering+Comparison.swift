extension Rendering {
  func compare(_ op: ComparisonOperator, _ a: Value, _ b: Value) throws(ChatTemplateError) -> Bool {
    switch op {
    case .equal: return try equal(a, b)
    case .notEqual: return !(try equal(a, b))
    case .isIn: return try contains(b, a)
    case .notIn: return !(try contains(b, a))
    case .less, .lessOrEqual, .greater, .greaterOrEqual: return try ordered(op, a, b)
    }
  }

  /// Python's `==`.
  func equal(_ a: Value, _ b: Value) throws(ChatTemplateError) -> Bool {
    try step()
    switch (a, b) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let x), .string(let y)), (.markup(let x), .string(let y)), (.string(let x), .markup(let y)),
      (.markup(let x), .markup(let y)):
      guard x.utf8.count == y.utf8.count else { return false }
      try walk(x.utf8.count)
      return x.hasSameScalars(as: y)
    case (.bigInteger(let x), .bigInteger(let y)): return x == y
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)): return try equal(x.items, y.items)
    case (.dict(let x), .dict(let y)): return try equal(x, y)
    case (.range(let x), .range(let y)):
      return x.count == y.count && (x.count == 0 || x.start == y.start)
        && (x.count < 2 || x.step == y.step)
    case (.iterator(let x), .iterator(let y)): return x === y
    case (.namespace(let x), .namespace(let y)): return x === y
    case (.loop(let x), .loop(let y)): return x === y
    case (.macro(let x), .macro(let y)): return x === y
    case (.function(let x), .function(let y)): return x == y
    case (.method(let x), .method(let y)): return x === y
    case (.view(let x), .view(let y)):
      guard x.kind == y.kind, x.kind != .values else { return false }
      return x.kind == .items
        ? try equal(x.dict, y.dict)
        : x.dict.keys.count == y.dict.keys.count
          && x.dict.keys.allSatisfy { HashKey($0).map { y.dict.position(of: $0) != nil } ?? false }
    default: return order(a, b) == .equal
    }
  }

  private func equal(_ a: [Value], _ b: [Value]) throws(ChatTemplateError) -> Bool {
    guard a.count == b.count else { return false }
    try enter()
    defer { leave() }
    for (x, y) in zip(a, b) where !(try equal(x, y)) { return false }
    return true
  }

  private func equal(_ a: DictStorage, _ b: DictStorage) throws(ChatTemplateError) -> Bool {
    guard a.keys.count == b.keys.count else { return false }
    try enter()
    defer { leave() }
    for (key, value) in zip(a.keys, a.values) {
      guard let position = b.position(of: try hashKey(key)), try equal(value, b.values[position]) else { return false }
    }
    return true
  }

  private enum Order { case less, equal, greater, unordered }

  /// The order of two numbers; nil when one is no number.
  private func order(_ a: Value, _ b: Value) -> Order? {
    if let x = a.integer, let y = b.integer { return x < y ? .less : x == y ? .equal : .greater }
    guard let x = a.number, let y = b.number else { return nil }
    if let integer = a.integer { return order(integer, y) }
    if let integer = b.integer {
      switch order(integer, x) {
      case .less: return .greater
      case .greater: return .less
      case let same: return same
      }
    }
    return x < y ? .less : x == y ? .equal : x > y ? .greater : .unordered
  }

  /// Exact comparison of an integer with a float, where converting the integer could round.
  private func order(_ x: Int, _ y: Double) -> Order {
    if y.isNaN { return .unordered }
    if y >= 0x1p63 { return .less }
    if y < -0x1p63 { return .greater }
    let whole = y.rounded(.down)
    let integer = Int(whole)
    if x != integer { return x < integer ? .less : .greater }
    return whole < y ? .less : .equal
  }

  private func ordered(_ op: ComparisonOperator, _ a: Value, _ b: Value) throws(ChatTemplateError) -> Bool {
    try step()
    if let order = order(a, b) {
      switch op {
      case .less: return order == .less
      case .lessOrEqual: return order == .less || order == .equal
      case .greater: return order == .greater
      default: return order == .greater || order == .equal
      }
    }
    if let x = a.text, let y = b.text {
      try walk(min(x.utf8.count, y.utf8.count))
      switch op {
      case .less: return x.precedes(y)
      case .lessOrEqual: return !y.precedes(x)
      case .greater: return y.precedes(x)
      default: return !x.precedes(y)
      }
    }
    switch (a, b) {
    case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
      try enter()
      defer { leave() }
      for (p, q) in zip(x.items, y.items) where !(try equal(p, q)) { return try ordered(op, p, q) }
      return try ordered(op, .integer(x.items.count), .integer(y.items.count))
    case (.undefined, _): throw refusal(of: a, "")
    case (_, .undefined): throw refusal(of: b, "")
    default:
      throw refused("'\(op.rawValue)' not supported between instances of '\(a.typeName)' and '\(b.typeName)'")
    }
  }

  /// `item in container`.
  func contains(_ container: Value, _ item: Value) throws(ChatTemplateError) -> Bool {
    switch container {
    case .string(let text), .markup(let text):
      guard let needle = item.text else {
        throw refusal(of: item, "'in <string>' requires string as left operand, not \(item.typeName)")
      }
      try walk(text.utf8.count)
      return TextSearch.contains(needle, in: text)
    case .dict(let dict): return dict.position(of: try hashKey(item)) != nil
    case .view(let view) where view.kind == .keys: return view.dict.position(of: try hashKey(item)) != nil
    case .undefined: return false
    case .list, .tuple, .view, .range:
      for element in try items(of: container) where try equal(element, item) { return true }
      return false
    case .iterator(let iterator):
      while let element = iterator.pull() { if try equal(element, item) { return true } }
      return false
    default: throw refused("argument of type '\(container.typeName)' is not iterable")
    }
  }

  /// A stable sort by Python's `<` on `keys`, keeping the order of equals also when reversed.
  func sorted(_ items: [Value], keys: [Value], reversed: Bool) throws(ChatTemplateError) -> [Value] {
    var order = Array(items.indices)
    var scratch = order
    var width = 1
    while width < order.count {
      var start = 0
      while start < order.count {
        let middle = min(start + width, order.count)
        let end = min(start + 2 * width, order.count)
        var (left, right) = (start, middle)
        for k in start..<end {
          if left < middle, right < end {
            let (a, b) = (keys[order[left]], keys[order[right]])
            let takesRight = reversed ? try ordered(.less, a, b) : try ordered(.less, b, a)
            if !takesRight {
              (scratch[k], left) = (order[left], left + 1)
            } else {
              (scratch[k], right) = (order[right], right + 1)
            }
          } else if left < middle {
            (scratch[k], left) = (order[left], left + 1)
          } else {
            (scratch[k], right) = (order[right], right + 1)
          }
        }
        start = end
      }
      swap(&order, &scratch)
      width *= 2
    }
    return order.map { items[$0] }
  }
}
