/// `{% for target in iterable if test %}…{% else %}…{% endfor %}`.
struct ForStatement: Statement {
  let line: Int
  let target: AssignmentTarget
  let iterable: any Expression
  let test: (any Expression)?
  let body: [any Statement]
  let otherwise: [any Statement]

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let value = try context.value(of: iterable, in: scope)
    context.line = line
    let loop = try context.loop(over: value, test: test, target: target, in: scope)
    while let item = try context.advance(loop) {
      // An iteration costs a scope besides its body's own steps.
      try context.step(3)
      let inner = Scope(parent: scope)
      inner.bind("loop", .loop(loop))
      context.line = line
      try context.assign(item, to: target, in: inner)
      if try context.run(body, in: inner) == .breakLoop { break }
    }
    if loop.index0 < 0 { return try context.run(otherwise, in: Scope(parent: scope)) }
    return .normal
  }
}
