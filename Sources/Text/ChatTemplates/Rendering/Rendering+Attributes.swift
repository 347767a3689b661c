extension Rendering {
  /// `object.name`: an attribute first, then an item of that name.
  func attribute(_ name: String, of object: Value) throws(ChatTemplateError) -> Value {
    if let found = try ownAttribute(name, of: object) { return found }
    if case .dict(let dict) = object { return dict.value(of: name) ?? .undefined(attribute: name, of: object) }
    return .undefined(attribute: name, of: object)
  }

  /// `object[key]`: an item first, then, for a string key, an attribute.
  func item(_ key: Value, of object: Value) throws(ChatTemplateError) -> Value {
    if case .undefined = object { throw refusal(of: object, "") }
    if let found = try element(key, of: object) { return found }
    if let name = key.text { return try ownAttribute(name, of: object) ?? .undefined(attribute: name, of: object) }
    return .undefined(message: "\(object.typeName) object has no element \(try repr(of: key))")
  }

  /// The element at `key`; nil where Python raises a lookup or type error.
  private func element(_ key: Value, of object: Value) throws(ChatTemplateError) -> Value? {
    switch object {
    case .dict(let dict):
      guard let hash = HashKey(key), let position = dict.position(of: hash) else { return nil }
      return dict.values[position]
    case .list(let storage), .tuple(let storage):
      guard let i = Self.index(key, count: storage.items.count) else { return nil }
      return storage.items[i]
    case .range(let range):
      return Self.index(key, count: range.count).map { .integer(range.element($0)) }
    case .string(let text), .markup(let text):
      try walk(text.utf8.count)
      let scalars = text.unicodeScalars
      guard let i = Self.index(key, count: scalars.count) else { return nil }
      return .string(String(scalars[scalars.index(scalars.startIndex, offsetBy: i)]))
    default: return nil
    }
  }

  /// The position a Python index means; nil when it is no integer or out of range.
  private static func index(_ key: Value, count: Int) -> Int? {
    guard let index = key.integer else { return nil }
    let position = index < 0 ? index + count : index
    return position >= 0 && position < count ? position : nil
  }

  /// An attribute the object's type defines: nothing but the methods and fields listed here.
  private func ownAttribute(_ name: String, of object: Value) throws(ChatTemplateError) -> Value? {
    switch object {
    case .undefined: throw refusal(of: object, "")
    case .namespace(let namespace): return namespace.value(of: name)
    case .loop(let loop): return try attribute(name, of: loop)
    case .macro(let macro):
      if name == "name" { return macro.definition.name.map { .string($0) } ?? Value.none }
      return nil
    case .string, .markup: return method(name, of: object, in: StringMethods.names)
    case .dict: return method(name, of: object, in: ContainerMethods.dictNames)
    case .list: return method(name, of: object, in: ContainerMethods.listNames)
    case .tuple, .range: return method(name, of: object, in: ContainerMethods.tupleNames)
    default: return nil
    }
  }

  private func method(_ name: String, of object: Value, in names: Set<String>) -> Value? {
    if names.contains(name) { return .method(BoundMethod(receiver: object, name: name)) }
    if ContainerMethods.mutates(name, object) || (name.hasPrefix("__") && name.hasSuffix("__")) {
      // Jinja's sandbox hides these even behind an item of the same name.
      return .undefined(message: "access to attribute '\(name)' of '\(object.typeName)' object is unsafe.")
    }
    return nil
  }

  func call(_ function: Value, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    switch function {
    case .macro(let macro): return try call(macro, arguments)
    case .function(let function): return try call(function, arguments)
    case .method(let method):
      switch method.receiver {
      case .string(let text): return try StringMethods.call(method.name, text, arguments, self)
      case .markup(let text):
        let result = try StringMethods.call(method.name, text, arguments, self)
        if case .string(let text) = result { return .markup(text) }
        return result
      case .loop(let loop):
        guard !arguments.positional.isEmpty else { throw refused("no items for cycling given") }
        return arguments.positional[loop.index0 % arguments.positional.count]
      default: return try ContainerMethods.call(method.name, method.receiver, arguments, self)
      }
    case .loop: throw .unsupported("a recursive loop", line: line)
    default: throw refusal(of: function, "'\(function.typeName)' object is not callable")
    }
  }

  private func call(_ function: GlobalFunction, _ arguments: Arguments) throws(ChatTemplateError) -> Value {
    switch function {
    case .range: return try range(arguments)
    case .dict: return try dict(try members(arguments))
    case .namespace:
      let members = try members(arguments)
      let namespace = makeNamespace()
      for (key, value) in zip(members.keys, members.values) {
        try setAttribute(try text(key, "a namespace's attribute name"), value, of: namespace)
      }
      return .namespace(namespace)
    case .raiseException:
      let given = try arguments.bind(function.rawValue, ["message"], self)
      throw .raised(try string(of: given[0] ?? .none), line: line)
    case .strftimeNow:
      let given = try arguments.bind(function.rawValue, ["format"], self)
      let format = try text(given[0], "strftime_now's format")
      try allocate(format.utf8.count * 8)
      return try text(now().formatted(format))
    }
  }

  /// What `dict(...)` would hold: the members of a mapping or of pairs, then the keyword arguments.
  private func members(_ arguments: Arguments) throws(ChatTemplateError) -> DictBuilder {
    guard arguments.positional.count <= 1 else { throw refused("dict expected at most 1 argument") }
    var builder = DictBuilder()
    if let source = arguments.positional.first {
      if case .dict(let dict) = source {
        for (key, value) in zip(dict.keys, dict.values) { builder.set(key, hash: try hashKey(key), value) }
      } else {
        for pair in try items(of: source) {
          let pair = try items(of: pair)
          guard pair.count == 2 else { throw refused("a dict's element must be a pair") }
          builder.set(pair[0], hash: try hashKey(pair[0]), pair[1])
        }
      }
    }
    for (name, value) in arguments.keyword { builder.set(name, value) }
    return builder
  }

  /// `value[start:stop:step]`.
  func slice(_ value: Value, start: Int?, stop: Int?, step: Int?) throws(ChatTemplateError) -> Value {
    let step = step ?? 1
    guard step != 0 else { throw refused("slice step cannot be zero") }
    func bounds(_ count: Int) -> (first: Int, last: Int) {
      let low = step < 0 ? -1 : 0
      let high = step < 0 ? count - 1 : count
      func clamped(_ bound: Int) -> Int { bound < 0 ? max(low, bound + count) : min(high, bound) }
      return (start.map(clamped) ?? (step < 0 ? high : low), stop.map(clamped) ?? (step < 0 ? low : high))
    }
    func positions(_ count: Int) -> [Int] {
      let (first, last) = bounds(count)
      return Array(Swift.stride(from: first, to: last, by: max(-count - 1, min(count + 1, step))))
    }
    switch value {
    case .list(let storage): return try list(positions(storage.items.count).map { storage.items[$0] })
    case .tuple(let storage): return try tuple(positions(storage.items.count).map { storage.items[$0] })
    case .string(let text), .markup(let text):
      try walk(text.utf8.count * 4)
      let scalars = Array(text.unicodeScalars)
      let part = String(scalars: positions(scalars.count).map { scalars[$0] })
      try allocate(part.utf8.count)
      if case .markup = value { return .markup(part) }
      return .string(part)
    case .range(let range):
      let (first, last) = bounds(range.count)
      let (newStep, overflow) = range.step.multipliedReportingOverflow(by: step)
      let (distance, overflows) = last.multipliedReportingOverflow(by: range.step)
      let (stop, overflowing) = range.start.addingReportingOverflow(distance)
      guard !overflow, !overflows, !overflowing else { throw self.overflow() }
      let count = positions(range.count).count
      return .range(RangeStorage(start: range.element(first), step: newStep, count: count, stop: stop))
    default:
      throw refusal(of: value, "'\(value.typeName)' object cannot be sliced")
    }
  }
}
