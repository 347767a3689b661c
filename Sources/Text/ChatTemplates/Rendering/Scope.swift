/// The variables of one block; lookups go outwards.
final class Scope {
  let parent: Scope?
  /// Most scopes bind one or two names, which a list holds and finds faster than a dictionary.
  private var few: [(name: String, value: Value)] = []
  private var many: [String: Value] = [:]
  /// Whether the rendering empties this scope at its end.
  var isRetained = false

  init(parent: Scope?) { self.parent = parent }

  func value(of name: String) -> Value? {
    var scope: Scope? = self
    while let current = scope {
      for binding in current.few where binding.name == name { return binding.value }
      if !current.many.isEmpty, let value = current.many[name] { return value }
      scope = current.parent
    }
    return nil
  }

  func bind(_ name: String, _ value: Value) {
    if let i = few.firstIndex(where: { $0.name == name }) {
      few[i].value = value
    } else if few.count < 8 {
      few.append((name, value))
    } else {
      many[name] = value
    }
  }

  func removeAll() {
    few = []
    many = [:]
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
    (self.source, self.length, self.filter) = (source, length, filter)
  }
}
