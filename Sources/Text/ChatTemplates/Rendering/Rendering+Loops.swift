extension Rendering {
  func loop(
    over value: Value, test: (any Expression)?, target: AssignmentTarget, in scope: Scope
  ) throws(ChatTemplateError) -> LoopState {
    let source: IteratorStorage
    var length: Int?
    if case .iterator(let iterator) = value {
      source = iterator
    } else {
      let items = try items(of: value)
      source = IteratorStorage(items)
      if test == nil { length = items.count }
    }
    if test != nil { retain(scope) }
    return LoopState(source: source, length: length, filter: test.map { ($0, target, scope) })
  }

  /// The next item that passes the loop's `if`, without counting it as reached.
  private func pull(_ loop: LoopState) throws(ChatTemplateError) -> Value? {
    while let item = loop.source.pull() {
      guard let filter = loop.filter else { return item }
      try step(3)
      let scope = Scope(parent: filter.scope)
      try assign(item, to: filter.target, in: scope)
      if try value(of: filter.test, in: scope).isTrue { return item }
    }
    return nil
  }

  /// Moves to the next item; nil at the end, where the loop stays at its last.
  func advance(_ loop: LoopState) throws(ChatTemplateError) -> Value? {
    let next: Value
    if let item = loop.ahead.popLast() {
      next = item
    } else if let item = try pull(loop) {
      next = item
    } else {
      return nil
    }
    loop.index0 += 1
    loop.previous = loop.current
    loop.current = next
    return next
  }

  private func peek(_ loop: LoopState) throws(ChatTemplateError) -> Value? {
    if loop.ahead.isEmpty, let item = try pull(loop) { loop.ahead = [item] }
    return loop.ahead.last
  }

  func length(of loop: LoopState) throws(ChatTemplateError) -> Int {
    if let length = loop.length { return length }
    var rest: [Value] = loop.ahead.reversed()
    while let item = try pull(loop) { rest.append(item) }
    let length = loop.index0 + 1 + rest.count
    loop.ahead = rest.reversed()
    loop.length = length
    return length
  }

  func attribute(_ name: String, of loop: LoopState) throws(ChatTemplateError) -> Value? {
    switch name {
    case "index": return .integer(loop.index0 + 1)
    case "index0": return .integer(loop.index0)
    case "first": return .bool(loop.index0 == 0)
    case "last": return .bool(try peek(loop) == nil)
    case "length": return .integer(try length(of: loop))
    case "revindex": return .integer(try length(of: loop) - loop.index0)
    case "revindex0": return .integer(try length(of: loop) - loop.index0 - 1)
    case "previtem": return loop.previous ?? .undefined(message: "there is no previous item")
    case "nextitem": return try peek(loop) ?? .undefined(message: "there is no next item")
    case "depth": return .integer(1)
    case "depth0": return .integer(0)
    case "cycle": return .method(BoundMethod(receiver: .loop(loop), name: name))
    case "changed": throw .unsupported("loop.changed", line: line)
    default: return nil
    }
  }
}
