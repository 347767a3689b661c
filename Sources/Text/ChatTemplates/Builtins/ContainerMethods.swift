/// The methods of lists, tuples, ranges and dicts that leave them as they are.
enum ContainerMethods {
  static let dictNames: Set<String> = ["get", "items", "keys", "values", "copy"]
  static let listNames: Set<String> = ["index", "count", "copy"]
  static let tupleNames: Set<String> = ["index", "count"]

  /// Whether Jinja's immutable sandbox forbids `name` for changing the object.
  static func mutates(_ name: String, _ object: Value) -> Bool {
    switch object {
    case .dict: ["clear", "pop", "popitem", "setdefault", "update"].contains(name)
    case .list:
      ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"].contains(name)
    default: false
    }
  }

  static func call(
    _ name: String, _ receiver: Value, _ arguments: Arguments, _ context: Rendering
  ) throws(ChatTemplateError) -> Value {
    switch (name, receiver) {
    case ("get", .dict(let dict)):
      let given = try arguments.bindPositional("get", 1...2, context)
      let key = try context.hashKey(given[0] ?? .none)
      return dict.position(of: key).map { dict.values[$0] } ?? given[1] ?? .none
    case ("items", .dict(let dict)):
      _ = try arguments.bindPositional(name, 0...0, context)
      return try context.checked(.view(DictView(kind: .items, dict: dict)))
    case ("keys", .dict(let dict)):
      _ = try arguments.bindPositional(name, 0...0, context)
      return try context.checked(.view(DictView(kind: .keys, dict: dict)))
    case ("values", .dict(let dict)):
      _ = try arguments.bindPositional(name, 0...0, context)
      return try context.checked(.view(DictView(kind: .values, dict: dict)))
    case ("copy", _):
      _ = try arguments.bindPositional(name, 0...0, context)
      return receiver
    case ("count", _):
      let given = try arguments.bindPositional(name, 1...1, context)
      var count = 0
      for item in try context.items(of: receiver) {
        if try context.equal(item, given[0] ?? .none) { count += 1 }
      }
      return .integer(count)
    case ("index", _):
      let given = try arguments.bindPositional(name, 1...1, context)
      for (i, item) in try context.items(of: receiver).enumerated() {
        if try context.equal(item, given[0] ?? .none) { return .integer(i) }
      }
      throw context.refused("the value is not in the \(receiver.typeName)")
    default:
      throw .unsupported("the method '\(name)' of \(receiver.typeName)", line: context.line)
    }
  }
}
