extension TemplateParser {
  /// Parses up to a tag named in `ends`, which stays current; with none, up to the end of the template.
  mutating func parseBody(until ends: Set<String>) throws(ChatTemplateError) -> [any Statement] {
    try enter()
    defer { leave() }
    var body: [any Statement] = []
    while true {
      switch current.kind {
      case .data(let text):
        body.append(TextStatement(text: text))
        advance()
      case .variableBegin:
        advance()
        body.append(OutputStatement(expression: try parseTuple()))
        try expect(.variableEnd, "'}}'")
      case .blockBegin:
        advance()
        guard case .name(let tag) = current.kind else { throw unexpected("a tag's name") }
        if ends.contains(tag) { return body }
        body.append(try parseStatement(tag))
        try expect(.blockEnd, "'%}'")
      default:
        guard ends.isEmpty else {
          let wanted = ends.sorted().map { "'\($0)'" }.joined(separator: " or ")
          throw .syntax("the template ends where \(wanted) should be", line: line)
        }
        return body
      }
    }
  }

  /// Parses the body of a block that has its own scope, after its opening tag, and passes over its end tag.
  mutating func parseScope(endedBy end: String, keepsLoop: Bool) throws(ChatTemplateError) -> [any Statement] {
    let (soft, loop) = (isSoft, isInLoop)
    isSoft = false
    if !keepsLoop { isInLoop = false }
    rootNames.scopeDepth += 1
    defer {
      rootNames.scopeDepth -= 1
      (isSoft, isInLoop) = (soft, loop)
    }
    let body = try parseBlock(until: [end])
    advance()
    return body
  }

  /// Parses a block's body after the expressions of its opening tag.
  private mutating func parseBlock(until ends: Set<String>) throws(ChatTemplateError) -> [any Statement] {
    _ = skip(.colon)
    try expect(.blockEnd, "'%}'")
    return try parseBody(until: ends)
  }

  private mutating func parseStatement(_ tag: String) throws(ChatTemplateError) -> any Statement {
    let tagLine = line
    advance()
    switch tag {
    case "if": return try parseIf()
    case "for": return try parseFor(tagLine)
    case "set": return try parseSet(tagLine)
    case "macro": return try parseMacro(tagLine)
    case "call": return try parseCallBlock(tagLine)
    case "filter":
      var filter = try parseFilter(nil)
      while skip(.pipe) { filter = try parseFilter(filter) }
      return FilterBlockStatement(filter: filter, body: try parseScope(endedBy: "endfilter", keepsLoop: true))
    case "with": return try parseWith(tagLine)
    case "generation":
      let body = try parseScope(endedBy: "endgeneration", keepsLoop: false)
      return ScopeStatement(line: tagLine, bindings: [], body: body)
    case "break", "continue":
      guard isInLoop else { throw .syntax("'\(tag)' stands outside a loop", line: tagLine) }
      return LoopControlStatement(flow: tag == "break" ? .breakLoop : .continueLoop)
    case "block", "extends", "include", "import", "from", "autoescape", "print":
      throw .unsupported("the tag '\(tag)'", line: tagLine)
    default: throw .unknownTag(tag, line: tagLine)
    }
  }

  private mutating func parseIf() throws(ChatTemplateError) -> any Statement {
    let soft = isSoft
    isSoft = true
    rootNames.branchDepth += 1
    defer {
      isSoft = soft
      rootNames.branchDepth -= 1
    }
    var branches: [(test: any Expression, body: [any Statement])] = []
    while true {
      let test = try parseTuple(allowsConditional: false)
      branches.append((test, try parseBlock(until: ["elif", "else", "endif"])))
      if skip(name: "elif") { continue }
      var otherwise: [any Statement] = []
      if skip(name: "else") { otherwise = try parseBlock(until: ["endif"]) }
      try expect(name: "endif")
      return IfStatement(branches: branches, otherwise: otherwise)
    }
  }

  private mutating func parseFor(_ tagLine: Int) throws(ChatTemplateError) -> any Statement {
    let target = try parseTarget(allowsAttributes: false, end: "in")
    if target.binds("loop") { throw .syntax("a loop cannot bind 'loop'", line: tagLine) }
    try expect(name: "in")
    let iterable = try parseTuple(allowsConditional: false, end: "recursive")
    rootNames.scopeDepth += 1
    let outer = (isSoft, isInLoop)
    isSoft = false
    defer {
      rootNames.scopeDepth -= 1
      (isSoft, isInLoop) = outer
    }
    let test = skip(name: "if") ? try parseExpression() : nil
    if current.isName("recursive") { throw .unsupported("a recursive loop", line: tagLine) }
    isInLoop = true
    let body = try parseBlock(until: ["endfor", "else"])
    isInLoop = outer.1
    var otherwise: [any Statement] = []
    if skip(name: "else") { otherwise = try parseBlock(until: ["endfor"]) }
    try expect(name: "endfor")
    return ForStatement(line: tagLine, target: target, iterable: iterable, test: test, body: body, otherwise: otherwise)
  }

  private mutating func parseSet(_ tagLine: Int) throws(ChatTemplateError) -> any Statement {
    let target = try parseTarget(allowsAttributes: true, end: nil)
    if skip(.assign) {
      let value = try parseTuple()
      rootNames.store(target)
      return SetStatement(line: tagLine, target: target, value: value)
    }
    rootNames.store(target)
    var filter: FilterExpression?
    rootNames.scopeDepth += 1
    while skip(.pipe) { filter = try parseFilter(filter) }
    rootNames.scopeDepth -= 1
    let body = try parseScope(endedBy: "endset", keepsLoop: true)
    return SetBlockStatement(line: tagLine, target: target, filter: filter, body: body)
  }

  private mutating func parseWith(_ tagLine: Int) throws(ChatTemplateError) -> any Statement {
    var bindings: [(target: AssignmentTarget, value: any Expression)] = []
    while current.kind != .blockEnd {
      if !bindings.isEmpty { try expect(.comma) }
      let target = try parseTarget(allowsAttributes: false, end: nil)
      try expect(.assign)
      bindings.append((target, try parseExpression()))
    }
    let body = try parseScope(endedBy: "endwith", keepsLoop: true)
    return ScopeStatement(line: tagLine, bindings: bindings, body: body)
  }

  private mutating func parseMacro(_ tagLine: Int) throws(ChatTemplateError) -> any Statement {
    let name = try expectName()
    rootNames.store(name)
    let parameters = try parseParameters()
    let definition = try parseMacroBody(tagLine, name: name, parameters, endedBy: "endmacro")
    return MacroStatement(name: name, definition: definition)
  }

  private mutating func parseCallBlock(_ tagLine: Int) throws(ChatTemplateError) -> any Statement {
    let parameters = current.isOperator(.leftParenthesis) ? try parseParameters() : []
    guard let call = try parseExpression() as? CallExpression else {
      throw .syntax("a call block needs a call", line: tagLine)
    }
    return CallBlockStatement(
      call: call, definition: try parseMacroBody(tagLine, name: nil, parameters, endedBy: "endcall"))
  }

  private mutating func parseMacroBody(
    _ tagLine: Int, name: String?, _ parameters: [(name: String, value: (any Expression)?)], endedBy end: String
  ) throws(ChatTemplateError) -> MacroDefinition {
    let outer = macroNames
    macroNames = []
    let body = try parseScope(endedBy: end, keepsLoop: false)
    defer { macroNames.formUnion(outer) }
    return MacroDefinition(
      line: tagLine, name: name, parameters: parameters, body: body, usesCaller: macroNames.contains("caller"),
      usesVarargs: macroNames.contains("varargs"), usesKwargs: macroNames.contains("kwargs"))
  }

  private mutating func parseParameters() throws(ChatTemplateError) -> [(name: String, value: (any Expression)?)] {
    try expect(.leftParenthesis)
    rootNames.scopeDepth += 1
    defer { rootNames.scopeDepth -= 1 }
    var parameters: [(name: String, value: (any Expression)?)] = []
    while !current.isOperator(.rightParenthesis) {
      if !parameters.isEmpty { try expect(.comma) }
      let name = try expectName()
      if skip(.assign) {
        parameters.append((name, try parseExpression()))
      } else if let last = parameters.last, last.value != nil {
        throw .syntax("the parameter '\(name)' without a default follows one with a default", line: line)
      } else {
        parameters.append((name, nil))
      }
    }
    advance()
    return parameters
  }

  /// A name, an attribute of a namespace, or a tuple of them.
  private mutating func parseTarget(
    allowsAttributes: Bool, end: String?
  ) throws(ChatTemplateError) -> AssignmentTarget {
    try enter()
    defer { leave() }
    var targets: [AssignmentTarget] = []
    var isTuple = false
    while true {
      if !targets.isEmpty, endsTuple(end) || current.isOperator(.assign) { break }
      targets.append(try parseOneTarget(allowsAttributes: allowsAttributes))
      guard skip(.comma) else { break }
      isTuple = true
    }
    return isTuple ? .tuple(targets) : targets[0]
  }

  private mutating func parseOneTarget(allowsAttributes: Bool) throws(ChatTemplateError) -> AssignmentTarget {
    if skip(.leftParenthesis) {
      let target = try parseTarget(allowsAttributes: false, end: nil)
      try expect(.rightParenthesis)
      return target
    }
    let name = try expectName()
    if ["true", "false", "none", "True", "False", "None"].contains(name) {
      throw .syntax("'\(name)' cannot be assigned to", line: line)
    }
    guard allowsAttributes, skip(.dot) else { return .name(name) }
    return .attribute(try expectName(), of: name)
  }

  /// Whether a tuple without brackets ends here.
  func endsTuple(_ end: String?) -> Bool {
    switch current.kind {
    case .variableEnd, .blockEnd, .op(.rightParenthesis): true
    case .name(let name): name == end
    default: false
    }
  }
}

extension AssignmentTarget {
  func binds(_ name: String) -> Bool {
    switch self {
    case .name(let own): own == name
    case .attribute: false
    case .tuple(let targets): targets.contains { $0.binds(name) }
    }
  }
}
