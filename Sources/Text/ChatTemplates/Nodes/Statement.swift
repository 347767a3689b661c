/// How a statement ended.
enum ControlFlow { case normal, breakLoop, continueLoop }

/// A node that prints or binds.
protocol Statement: Sendable {
  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow
}

/// Text outside tags.
struct TextStatement: Statement {
  let text: String

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    try context.write(text)
    return .normal
  }
}

/// `{{ expression }}`.
struct OutputStatement: Statement {
  let expression: any Expression

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.value(of: expression, in: scope)
    context.line = expression.line
    try context.write(try context.string(of: value))
    return .normal
  }
}

struct IfStatement: Statement {
  let branches: [(test: any Expression, body: [any Statement])]
  let otherwise: [any Statement]

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    for branch in branches where try context.value(of: branch.test, in: scope).isTrue {
      return try context.run(branch.body, in: scope)
    }
    return try context.run(otherwise, in: scope)
  }
}

struct LoopControlStatement: Statement {
  let flow: ControlFlow

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow { flow }
}

/// What an assignment or a loop binds.
indirect enum AssignmentTarget: Sendable {
  case name(String)
  case attribute(String, of: String)
  case tuple([AssignmentTarget])
}

struct SetStatement: Statement {
  let line: Int
  let target: AssignmentTarget
  let value: any Expression

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.value(of: value, in: scope)
    context.line = line
    try context.assign(value, to: target, in: scope)
    return .normal
  }
}

/// `{% set name | filters %}…{% endset %}`.
struct SetBlockStatement: Statement {
  let line: Int
  let target: AssignmentTarget
  let filter: FilterExpression?
  let body: [any Statement]

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.blockText(body, Scope(parent: scope), filter: filter)
    context.line = line
    try context.assign(value, to: target, in: scope)
    return .normal
  }
}

/// `{% filter name %}…{% endfilter %}`.
struct FilterBlockStatement: Statement {
  let filter: FilterExpression
  let body: [any Statement]

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.blockText(body, Scope(parent: scope), filter: filter)
    try context.write(try context.string(of: value))
    return .normal
  }
}

/// `{% with a = b %}` and `{% generation %}`: a body in a scope of its own.
struct ScopeStatement: Statement {
  let line: Int
  let bindings: [(target: AssignmentTarget, value: any Expression)]
  let body: [any Statement]

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
