/// How a statement ended.
enum ControlFlow { case normal, breakLoop, continueLoop }

/// A node that prints or binds.
protocol Statement: Sendable {
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow
}

/// Text outside tags.
final class TextStatement: Statement {
  let text: String
  init(_ text: String) { self.text = text }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    try context.write(text)
    return .normal
  }
}

/// `{{ expression }}`.
final class OutputStatement: Statement {
  let expression: any Expression
  init(_ expression: any Expression) { self.expression = expression }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.value(of: expression, in: scope)
    context.line = expression.line
    try context.write(try context.string(of: value))
    return .normal
  }
}

final class IfStatement: Statement {
  let branches: [(test: any Expression, body: [any Statement])]
  let otherwise: [any Statement]
  init(branches: [(test: any Expression, body: [any Statement])], otherwise: [any Statement]) {
    self.branches = branches
    self.otherwise = otherwise
  }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    for branch in branches where try context.value(of: branch.test, in: scope).isTrue {
      return try context.run(branch.body, in: scope)
    }
    return try context.run(otherwise, in: scope)
  }
}

final class LoopControlStatement: Statement {
  let flow: ControlFlow
  init(_ flow: ControlFlow) { self.flow = flow }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow { flow }
}

/// What an assignment or a loop binds.
indirect enum AssignmentTarget: Sendable {
  case name(String)
  case attribute(String, of: String)
  case tuple([AssignmentTarget])
}

final class SetStatement: Statement {
  let line: Int
  let target: AssignmentTarget
  let value: any Expression
  init(line: Int, _ target: AssignmentTarget, _ value: any Expression) {
    self.line = line
    self.target = target
    self.value = value
  }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.value(of: value, in: scope)
    context.line = line
    try context.assign(value, to: target, in: scope)
    return .normal
  }
}

/// `{% set name | filters %}…{% endset %}`.
final class SetBlockStatement: Statement {
  let line: Int
  let target: AssignmentTarget
  let filter: FilterExpression?
  let body: [any Statement]
  init(line: Int, _ target: AssignmentTarget, filter: FilterExpression?, body: [any Statement]) {
    self.line = line
    self.target = target
    self.filter = filter
    self.body = body
  }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.blockText(body, Scope(parent: scope), filter: filter)
    context.line = line
    try context.assign(value, to: target, in: scope)
    return .normal
  }
}

/// `{% filter name %}…{% endfilter %}`.
final class FilterBlockStatement: Statement {
  let filter: FilterExpression
  let body: [any Statement]
  init(_ filter: FilterExpression, body: [any Statement]) {
    self.filter = filter
    self.body = body
  }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.blockText(body, Scope(parent: scope), filter: filter)
    try context.write(try context.string(of: value))
    return .normal
  }
}

/// `{% with a = b %}` and `{% generation %}`: a body in a scope of its own.
final class ScopeStatement: Statement {
  let line: Int
  let bindings: [(target: AssignmentTarget, value: any Expression)]
  let body: [any Statement]
  init(line: Int, bindings: [(target: AssignmentTarget, value: any Expression)], body: [any Statement]) {
    self.line = line
    self.bindings = bindings
    self.body = body
  }
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let inner = Scope(parent: scope)
    for (target, expression) in bindings {
      let value = try context.value(of: expression, in: scope)
      context.line = line
      try context.assign(value, to: target, in: inner)
    }
    return try context.run(body, in: inner)
  }
}
