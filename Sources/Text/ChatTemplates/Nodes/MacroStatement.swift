/// A macro as written: its parameters, and whether its body asks for what its caller passed besides.
struct MacroDefinition: Sendable {
  let line: Int
  let name: String?
  let parameters: [(name: String, value: (any Expression)?)]
  let body: [any Statement]
  let usesCaller: Bool
  let usesVarargs: Bool
  let usesKwargs: Bool
}

/// `{% macro name(parameters) %}…{% endmacro %}`.
struct MacroStatement: Statement {
  let name: String
  let definition: MacroDefinition

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    context.retain(scope)
    scope.bind(name, .macro(Macro(definition, scope: scope)))
    return .normal
  }
}

/// `{% call(parameters) macro(…) %}…{% endcall %}`: the body becomes the macro's `caller`.
struct CallBlockStatement: Statement {
  let call: CallExpression
  let definition: MacroDefinition

  func execute(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    let function = try context.value(of: call.callee, in: scope)
    var arguments = try call.arguments.evaluate(context, scope)
    context.retain(scope)
    arguments.keyword.append(("caller", .macro(Macro(definition, scope: scope))))
    context.line = call.line
    try context.write(try context.string(of: try context.call(function, arguments)))
    return .normal
  }
}

extension Rendering {
  func call(_ macro: Macro, _ given: Arguments) throws(ChatTemplateError) -> Value {
    let definition = macro.definition
    let name = definition.name ?? "caller"
    let scope = Scope(parent: macro.scope)
    var keyword = given.keyword
    func take(_ name: String) -> Value? {
      keyword.firstIndex { $0.name.hasSameScalars(as: name) }.map { keyword.remove(at: $0).value }
    }
    for (i, parameter) in definition.parameters.enumerated() {
      if i < given.positional.count {
        scope.bind(parameter.name, given.positional[i])
      } else if let value = take(parameter.name) {
        scope.bind(parameter.name, value)
      } else if let fallback = parameter.value {
        scope.bind(parameter.name, try value(of: fallback, in: scope))
      } else {
        scope.bind(parameter.name, .undefined(message: "parameter '\(parameter.name)' was not provided"))
      }
    }
    if definition.usesCaller, !definition.parameters.contains(where: { $0.name == "caller" }) {
      scope.bind("caller", take("caller") ?? .undefined(message: "No caller defined"))
    }
    if definition.usesKwargs {
      var builder = DictBuilder()
      for (name, value) in keyword { builder.set(name, value) }
      scope.bind("kwargs", try dict(builder))
    } else if let extra = keyword.first {
      throw refused("macro '\(name)' takes no keyword argument '\(extra.name)'")
    }
    let extra = given.positional.dropFirst(definition.parameters.count)
    if definition.usesVarargs {
      scope.bind("varargs", try tuple(Array(extra)))
    } else if !extra.isEmpty {
      throw refused("macro '\(name)' takes not more than \(definition.parameters.count) argument(s)")
    }
    return try blockText(definition.body, scope, filter: nil)
  }
}
