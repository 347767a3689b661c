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

final class LiteralExpression: Expression {
  let line: Int
  let literal: Literal
  init(line: Int, _ literal: Literal) {
    self.line = line
    self.literal = literal
  }
  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value { Value(literal) }
}

final class NameExpression: Expression {
  let line: Int
  let name: String
  init(line: Int, _ name: String) {
    self.line = line
    self.name = name
  }
  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    if let value = scope.value(of: name) { return value }
    return GlobalFunction(rawValue: name).map { .function($0) } ?? .undefined(name: name)
  }
}

/// A list or a tuple display.
final class SequenceExpression: Expression {
  let line: Int
  let items: [any Expression]
  let isTuple: Bool
  init(line: Int, items: [any Expression], isTuple: Bool) {
    self.line = line
    self.items = items
    self.isTuple = isTuple
  }
  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let values = try context.values(of: items, in: scope)
    return isTuple ? try context.tuple(values) : try context.list(values)
  }
}

final class DictExpression: Expression {
  let line: Int
  let members: [(key: any Expression, value: any Expression)]
  init(line: Int, members: [(key: any Expression, value: any Expression)]) {
    self.line = line
    self.members = members
  }
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
final class ConditionalExpression: Expression {
  let line: Int
  let test: any Expression
  let then: any Expression
  let otherwise: (any Expression)?
  init(line: Int, test: any Expression, then: any Expression, otherwise: (any Expression)?) {
    self.line = line
    self.test = test
    self.then = then
    self.otherwise = otherwise
  }
  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    if try context.value(of: test, in: scope).isTrue { return try context.value(of: then, in: scope) }
    if let otherwise { return try context.value(of: otherwise, in: scope) }
    return .undefined(
      message: "the inline if-expression on line \(line) evaluated to false and no else section was defined")
  }
}
