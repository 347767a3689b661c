/// The variables of one block; lookups go outwards.
final class Scope {
  let parent: Scope?
  var variables: [String: Value]
  /// Whether the rendering empties this scope at its end.
  var isRetained = false

  init(parent: Scope?, variables: [String: Value] = [:]) {
    self.parent = parent
    self.variables = variables
  }

  func value(of name: String) -> Value? {
    var scope: Scope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.parent
    }
    return nil
  }
}

/// A macro, or the body of a `call` block as its `caller`: code, and the scope it was written in.
final class Macro {
  let definition: MacroDefinition
  let scope: Scope
  init(_ definition: MacroDefinition, scope: Scope) {
    self.definition = definition
    self.scope = scope
  }
}

/// The `loop` variable: what comes next, what was before.
///
/// A loop's `if` runs only as items are asked for, as in Jinja, where the body may change what it sees.
final class LoopState {
  let source: IteratorStorage
  /// The length of the iterable when it can be known without the loop's `if`.
  var length: Int?
  let filter: (test: any Expression, target: AssignmentTarget, scope: Scope)?
  /// Items read ahead for `loop.last`, `loop.nextitem` and `loop.length`, the next one last.
  var ahead: [Value] = []
  var index0 = -1
  var current: Value?
  var previous: Value?

  init(
    source: IteratorStorage, length: Int?,
    filter: (test: any Expression, target: AssignmentTarget, scope: Scope)?
  ) {
    self.source = source
    self.length = length
    self.filter = filter
  }
}
