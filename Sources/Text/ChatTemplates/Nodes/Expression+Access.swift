/// `object.name`.
struct AttributeExpression: Expression {
  let line: Int
  let object: any Expression
  let name: String

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: object, in: scope)
    context.line = line
    return try context.attribute(name, of: value)
  }
}

/// `object[key]`.
struct ItemExpression: Expression {
  let line: Int
  let object: any Expression
  let key: any Expression

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: object, in: scope)
    let key = try context.value(of: key, in: scope)
    context.line = line
    return try context.item(key, of: value)
  }
}

/// `object[start:stop:step]`.
struct SliceExpression: Expression {
  let line: Int
  let object: any Expression
  let bounds: [(any Expression)?]

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: object, in: scope)
    var indices: [Int?] = []
    for bound in bounds {
      let index = if let bound { try context.value(of: bound, in: scope) } else { Value.none }
      context.line = line
      switch index {
      case .none: indices.append(nil)
      default:
        guard let integer = index.integer else {
          throw context.refusal(of: index, "slice indices must be integers or None")
        }
        indices.append(integer)
      }
    }
    context.line = line
    return try context.slice(value, start: indices[0], stop: indices[1], step: indices[2])
  }
}

/// The arguments of a call as written.
struct ArgumentList: Sendable {
  var positional: [any Expression] = []
  var keyword: [(name: String, value: any Expression)] = []
  var splat: (any Expression)?
  var keywordSplat: (any Expression)?

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Arguments {
    var arguments = Arguments()
    if positional.isEmpty, keyword.isEmpty, splat == nil, keywordSplat == nil { return arguments }
    arguments.positional = try context.values(of: positional, in: scope)
    for (name, value) in keyword { arguments.keyword.append((name, try context.value(of: value, in: scope))) }
    if let splat {
      let value = try context.value(of: splat, in: scope)
      arguments.positional += try context.items(of: value)
    }
    if let keywordSplat {
      guard case .dict(let dict) = try context.value(of: keywordSplat, in: scope) else {
        throw context.refused("argument after ** must be a mapping")
      }
      for (key, value) in zip(dict.keys, dict.values) {
        guard let name = key.text else { throw context.refused("keywords must be strings") }
        arguments.keyword.append((name, value))
      }
    }
    return arguments
  }
}

struct CallExpression: Expression {
  let line: Int
  let callee: any Expression
  let arguments: ArgumentList

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let function = try context.value(of: callee, in: scope)
    let values = try arguments.evaluate(context, scope)
    context.line = line
    return try context.call(function, values)
  }
}

/// `operand | name(arguments)`; the operand is nil at the head of a `filter` block or a block `set`.
struct FilterExpression: Expression {
  let line: Int
  let name: String
  let operand: (any Expression)?
  let arguments: ArgumentList

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = if let operand { try context.value(of: operand, in: scope) } else { context.filteredBlock }
    let values = try arguments.evaluate(context, scope)
    context.line = line
    return try context.filter(name, value, values)
  }
}

/// `operand is name(arguments)`.
struct TestExpression: Expression {
  let line: Int
  let name: String
  let operand: any Expression
  let arguments: ArgumentList

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: operand, in: scope)
    let values = try arguments.evaluate(context, scope)
    context.line = line
    return .bool(try context.test(name, value, values))
  }
}
