/// A node that has a value.
protocol Expression: Sendable {
  var line: Int { get }
  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value
}

/// A value written in the template.
enum Literal: Sendable, Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
}

struct LiteralExpression: Expression {
  let line: Int
  let literal: Literal

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value { Value(literal) }
}

struct NameExpression: Expression {
  let line: Int
  let name: String

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    if let value = scope.value(of: name) { return value }
    return GlobalFunction(rawValue: name).map { .function($0) } ?? .undefined(name: name)
  }
}

/// A list or a tuple display.
struct SequenceExpression: Expression {
  let line: Int
  let items: [any Expression]
  let isTuple: Bool

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let values = try context.values(of: items, in: scope)
    return isTuple ? try context.tuple(values) : try context.list(values)
  }
}

struct DictExpression: Expression {
  let line: Int
  let members: [(key: any Expression, value: any Expression)]

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    var builder = DictBuilder()
    for member in members {
      let key = try context.value(of: member.key, in: scope)
      let value = try context.value(of: member.value, in: scope)
      context.line = line
      builder.set(key, hash: try context.hashKey(key), value)
    }
    return try context.dict(builder)
  }
}

/// `then if test else otherwise`.
struct ConditionalExpression: Expression {
  let line: Int
  let test: any Expression
  let then: any Expression
  let otherwise: (any Expression)?

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    if try context.value(of: test, in: scope).isTrue { return try context.value(of: then, in: scope) }
    if let otherwise { return try context.value(of: otherwise, in: scope) }
    return .undefined(
      message: "the inline if-expression on line \(line) evaluated to false and no else section was defined")
  }
}
