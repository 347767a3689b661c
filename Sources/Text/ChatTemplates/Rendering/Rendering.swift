/// One rendering of a template: its output, its place, and what it has used up.
///
/// Values that can refer back to themselves or to long chains (namespaces, scopes a macro was written in) are
/// kept in a list and emptied at the end, so that nothing leaks and no release recurses deeply.
final class Rendering {
  let limits: TemplateLimits
  let now: () -> CalendarTime
  /// The line an error is reported at.
  var line = 1
  var output = ""
  /// The operand of a filter that has none of its own: the text of the block it stands over.
  var filteredBlock = Value.none
  private(set) var depth = 0
  private var stepCount = 0
  private var stepLimit: Int
  private var allocatedByteCount = 0
  private var retainedScopes: [Scope] = []
  private var namespaces: [NamespaceStorage] = []

  init(limits: TemplateLimits, now: @escaping () -> CalendarTime) {
    self.limits = limits
    stepLimit = limits.stepCount
    self.now = now
  }

  func render(_ body: [any Statement], in scope: Scope) throws(ChatTemplateError) -> String {
    defer { releaseAll() }
    _ = try run(body, in: scope)
    return output
  }

  private func releaseAll() {
    filteredBlock = .none
    for scope in retainedScopes { scope.removeAll() }
    for namespace in namespaces { namespace.attributes = DictBuilder() }
    retainedScopes = []
    namespaces = []
  }

  // MARK: Running

  func run(_ body: [any Statement], in scope: Scope) throws(ChatTemplateError) -> ControlFlow {
    try enter()
    defer { leave() }
    for statement in body {
      try step()
      let flow = try statement.execute(self, scope)
      if flow != .normal { return flow }
    }
    return .normal
  }

  func value(of expression: any Expression, in scope: Scope) throws(ChatTemplateError) -> Value {
    try enter()
    defer { leave() }
    stepCount += 1
    if stepCount > stepLimit {
      line = expression.line
      throw .limitExceeded(.steps, limit: stepLimit, line: line)
    }
    return try expression.evaluate(self, scope)
  }

  func values(of expressions: [any Expression], in scope: Scope) throws(ChatTemplateError) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(expressions.count)
    for expression in expressions { values.append(try value(of: expression, in: scope)) }
    return values
  }

  /// What `body` prints, passed through `filter` if there is one.
  func blockText(
    _ body: [any Statement], _ scope: Scope, filter: FilterExpression?
  ) throws(ChatTemplateError) -> Value {
    let outer = output
    output = ""
    defer { output = outer }
    _ = try run(body, in: scope)
    let text = try text(output)
    guard let filter else { return text }
    let outerBlock = filteredBlock
    filteredBlock = text
    defer { filteredBlock = outerBlock }
    return try value(of: filter, in: scope)
  }

  func write(_ text: String) throws(ChatTemplateError) {
    try allocate(text.utf8.count)
    output += text
    if output.utf8.count > limits.outputByteCount {
      throw .limitExceeded(.outputBytes, limit: limits.outputByteCount, line: line)
    }
  }

  // MARK: Limits

  func enter() throws(ChatTemplateError) {
    guard depth < limits.depth else { throw .limitExceeded(.depth, limit: limits.depth, line: line) }
    depth += 1
  }

  func leave() { depth -= 1 }

  func step(_ count: Int = 1) throws(ChatTemplateError) {
    stepCount &+= count
    if stepCount > stepLimit { throw .limitExceeded(.steps, limit: stepLimit, line: line) }
  }

  /// Allows for what work on one more value from outside takes.
  func allowInput() {
    let (raised, overflow) = stepLimit.addingReportingOverflow(limits.stepCountPerInput)
    stepLimit = overflow ? .max : raised
  }

  /// Accounts for walking over `byteCount` bytes.
  func walk(_ byteCount: Int) throws(ChatTemplateError) { try step(byteCount >> 5) }

  /// Accounts for making a value of `byteCount` bytes; to be called before it is made where it can be large.
  func allocate(_ byteCount: Int) throws(ChatTemplateError) {
    try checkValueSize(byteCount)
    allocatedByteCount += byteCount
    if allocatedByteCount > limits.allocatedByteCount {
      throw .limitExceeded(.allocatedBytes, limit: limits.allocatedByteCount, line: line)
    }
    try walk(byteCount)
  }

  func checkValueSize(_ byteCount: Int) throws(ChatTemplateError) {
    if byteCount > limits.valueByteCount { throw .limitExceeded(.valueBytes, limit: limits.valueByteCount, line: line) }
  }

  func retain(_ scope: Scope) {
    var next: Scope? = scope
    while let current = next, !current.isRetained {
      current.isRetained = true
      retainedScopes.append(current)
      next = current.parent
    }
  }

  func makeNamespace() -> NamespaceStorage {
    let namespace = NamespaceStorage()
    namespaces.append(namespace)
    return namespace
  }

  // MARK: Errors

  func refused(_ problem: String) -> ChatTemplateError { .operation(problem, line: line) }
  func overflow() -> ChatTemplateError { refused("an integer does not fit in 64 bits") }

  /// The error for an operation on a value that does not have it: its own reason for an undefined value.
  func refusal(of value: Value, _ problem: String) -> ChatTemplateError {
    if case .undefined(let undefined) = value { return .undefined(undefined.message, line: line) }
    return refused(problem)
  }
}
