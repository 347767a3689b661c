extension FilterCall {
  func defaulted() throws(ChatTemplateError) -> Value {
    let given = try bind("default", ["default_value", "boolean"])
    let replaces = value.isUndefined || ((given[1]?.isTrue ?? false) && !value.isTrue)
    return replaces ? given[0] ?? .string("") : value
  }

  func length() throws(ChatTemplateError) -> Value {
    _ = try bind("length", [])
    return .integer(try context.count(of: value))
  }

  func first() throws(ChatTemplateError) -> Value {
    _ = try bind("first", [])
    if case .iterator(let iterator) = value {
      return iterator.pull() ?? .undefined(message: "No first item, sequence was empty.")
    }
    return try context.items(of: value).first ?? .undefined(message: "No first item, sequence was empty.")
  }

  func last() throws(ChatTemplateError) -> Value {
    _ = try bind("last", [])
    switch value {
    case .iterator, .loop:
      throw context.refusal(of: value, "'\(value.typeName)' object is not reversible")
    default: break
    }
    return try context.items(of: value).last ?? .undefined(message: "No last item, sequence was empty.")
  }

  func list() throws(ChatTemplateError) -> Value {
    _ = try bind("list", [])
    return try context.list(try context.items(of: value))
  }

  func items() throws(ChatTemplateError) -> Value {
    _ = try bind("items", [])
    switch value {
    case .undefined: return try context.iterator([])
    case .dict(let dict): return try context.iterator(DictView(kind: .items, dict: dict).items)
    default: throw context.refused("Can only get item pairs from a mapping.")
    }
  }

  func reverse() throws(ChatTemplateError) -> Value {
    _ = try bind("reverse", [])
    if value.text != nil { return try context.slice(value, start: nil, stop: nil, step: -1) }
    return try context.iterator(try context.items(of: value).reversed())
  }

  func join() throws(ChatTemplateError) -> Value {
    let given = try bind("join", ["d", "attribute"])
    let separator = if let value = given[0] { try context.string(of: value) } else { "" }
    var parts: [String] = []
    for item in try context.items(of: value) {
      try context.step()
      parts.append(try context.string(of: try context.value(atPath: given[1], of: item)))
    }
    return .string(try StringMethods.join(parts, by: separator, context))
  }

  func map() throws(ChatTemplateError) -> Value {
    guard value.isTrue else { return try context.iterator([]) }
    var mapped: [Value] = []
    if arguments.positional.isEmpty, let path = arguments.keyword.first(where: { $0.name == "attribute" }) {
      let given = try bind("map", ["attribute", "default"])
      let fallback = given[1].flatMap { $0.isNone ? nil : $0 }
      for item in try context.items(of: value) {
        try context.step()
        mapped.append(try context.value(atPath: path.value, of: item, default: fallback))
      }
    } else {
      guard let name = arguments.positional.first else { throw context.refused("map requires a filter argument") }
      var rest = arguments
      rest.positional.removeFirst()
      for item in try context.items(of: value) {
        try context.step()
        mapped.append(try context.filter(try context.text(name, "map's filter"), item, rest))
      }
    }
    return try context.iterator(mapped)
  }

  static func selecting(byAttribute: Bool, keeps: Bool) -> Filter {
    { call in { () throws(ChatTemplateError) in try call.select(byAttribute: byAttribute, keeps: keeps) } }
  }

  private func select(byAttribute: Bool, keeps: Bool) throws(ChatTemplateError) -> Value {
    guard value.isTrue else { return try context.iterator([]) }
    var rest = arguments
    var path: Value?
    if byAttribute {
      guard !rest.positional.isEmpty else { throw context.refused("Missing parameter for attribute name") }
      path = rest.positional.removeFirst()
    }
    let test = rest.positional.isEmpty ? nil : rest.positional.removeFirst()
    var kept: [Value] = []
    for item in try context.items(of: value) {
      try context.step()
      let subject = try context.value(atPath: path, of: item)
      let passes: Bool
      if let test {
        passes = try context.test(try context.text(test, "a test's name"), subject, rest)
      } else {
        passes = subject.isTrue
      }
      if passes == keeps { kept.append(item) }
    }
    return try context.iterator(kept)
  }

  func sort() throws(ChatTemplateError) -> Value {
    let given = try bind("sort", ["reverse", "case_sensitive", "attribute"])
    let items = try context.items(of: value)
    var paths: [Value?] = [given[2]]
    if let text = given[2]?.text {
      let parts = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      paths = parts.map { .string(String(decoding: $0, as: UTF8.self)) }
    }
    var keys: [Value] = []
    for item in items {
      var parts: [Value] = []
      for path in paths {
        let part = try context.value(atPath: path, of: item)
        parts.append(given[1]?.isTrue ?? false ? part : try context.ignoringCase(part))
      }
      keys.append(try context.list(parts))
    }
    return try context.list(try context.sorted(items, keys: keys, reversed: given[0]?.isTrue ?? false))
  }

  func dictsort() throws(ChatTemplateError) -> Value {
    let given = try bind("dictsort", ["case_sensitive", "by", "reverse"])
    let by = if let value = given[1] { try context.text(value, "dictsort's by") } else { "key" }
    guard by == "key" || by == "value" else {
      throw context.refused("You can only sort by either \"key\" or \"value\"")
    }
    guard case .dict(let dict) = value else {
      throw context.refusal(of: value, "'\(value.typeName)' object has no attribute 'items'")
    }
    var keys = by == "key" ? dict.keys : dict.values
    if !(given[0]?.isTrue ?? false) {
      for i in keys.indices { keys[i] = try context.ignoringCase(keys[i]) }
    }
    let items = DictView(kind: .items, dict: dict).items
    return try context.list(try context.sorted(items, keys: keys, reversed: given[2]?.isTrue ?? false))
  }

  func unique() throws(ChatTemplateError) -> Value {
    let given = try bind("unique", ["case_sensitive", "attribute"])
    var seen: Set<HashKey> = []
    var kept: [Value] = []
    for item in try context.items(of: value) {
      try context.step(2)
      let part = try context.value(atPath: given[1], of: item)
      let key = given[0]?.isTrue ?? false ? part : try context.ignoringCase(part)
      if seen.insert(try context.hashKey(key)).inserted { kept.append(item) }
    }
    return try context.iterator(kept)
  }

  func batch() throws(ChatTemplateError) -> Value {
    let given = try bind("batch", ["linecount", "fill_with"])
    let size = try context.integer(given[0] ?? .none, "batch's linecount")
    guard size > 0 else { throw context.refused("batch's linecount must be positive") }
    let items = try context.items(of: value)
    var batches: [Value] = []
    var start = 0
    while start < items.count {
      var batch = Array(items[start...].prefix(size))
      if let fill = given[1], !fill.isNone, batch.count < size {
        try context.allocate(min(size, context.limits.valueByteCount) * 16)
        batch += Array(repeating: fill, count: size - batch.count)
      }
      batches.append(try context.list(batch))
      start += min(size, items.count)
    }
    return try context.iterator(batches)
  }

  func slice() throws(ChatTemplateError) -> Value {
    let given = try bind("slice", ["slices", "fill_with"])
    let count = try context.integer(given[0] ?? .none, "slice's count")
    guard count > 0 else { throw context.refused("slice's count must be positive") }
    let items = try context.items(of: value)
    try context.allocate(min(count, context.limits.valueByteCount) * 16)
    let (size, larger) = items.count.quotientAndRemainder(dividingBy: count)
    var slices: [Value] = []
    var start = 0
    for i in 0..<count {
      let end = start + size + (i < larger ? 1 : 0)
      var slice = Array(items[start..<end])
      if let fill = given[1], !fill.isNone, i >= larger { slice.append(fill) }
      slices.append(try context.list(slice))
      start = end
    }
    return try context.iterator(slices)
  }
}
