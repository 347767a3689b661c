extension TemplateParser {
  /// Attributes, items, slices and calls after `node`.
  mutating func parsePostfix(_ node: any Expression) throws(ChatTemplateError) -> any Expression {
    var node = node
    while true {
      if current.isOperator(.dot) {
        node = try parseAttribute(node)
      } else if current.isOperator(.leftBracket) {
        node = try parseSubscript(node)
      } else if current.isOperator(.leftParenthesis) {
        node = try parseCall(node)
      } else {
        return node
      }
    }
  }

  mutating func parseFiltersAndTests(_ node: any Expression) throws(ChatTemplateError) -> any Expression {
    var node = node
    while true {
      if skip(.pipe) {
        node = try parseFilter(node)
      } else if current.isName("is") {
        node = try parseTest(node)
      } else if current.isOperator(.leftParenthesis) {
        node = try parseCall(node)
      } else {
        return node
      }
    }
  }

  private mutating func parseAttribute(_ node: any Expression) throws(ChatTemplateError) -> any Expression {
    let start = line
    let below = height
    advance()
    try grow(over: below)
    switch current.kind {
    case .name(let name):
      advance()
      return AttributeExpression(line: start, object: node, name: name)
    case .integer(let index):
      advance()
      return ItemExpression(line: start, object: node, key: LiteralExpression(line: start, literal: .integer(index)))
    default: throw unexpected("a name or a number")
    }
  }

  private mutating func parseSubscript(_ node: any Expression) throws(ChatTemplateError) -> any Expression {
    let start = line
    var tallest = height
    advance()
    var bounds: [(any Expression)?] = [nil]
    var isSlice = false
    while !current.isOperator(.rightBracket) {
      if current.isOperator(.comma) { throw .unsupported("a subscript with a comma", line: line) }
      if skip(.colon) {
        guard bounds.count < 3 else { throw unexpected("']'") }
        isSlice = true
        bounds.append(nil)
      } else {
        guard bounds[bounds.count - 1] == nil else { throw unexpected("']'") }
        bounds[bounds.count - 1] = try parseExpression()
        tallest = max(tallest, height)
      }
    }
    try expect(.rightBracket)
    try grow(over: tallest)
    if isSlice {
      while bounds.count < 3 { bounds.append(nil) }
      return SliceExpression(line: start, object: node, bounds: bounds)
    }
    guard let key = bounds[0] else { throw .syntax("a subscript is empty", line: start) }
    return ItemExpression(line: start, object: node, key: key)
  }

  private mutating func parseCall(_ node: any Expression) throws(ChatTemplateError) -> any Expression {
    let start = line
    let below = height
    let (arguments, tallest) = try parseArguments()
    try grow(over: max(below, tallest))
    return CallExpression(line: start, callee: node, arguments: arguments)
  }

  private mutating func parseArguments() throws(ChatTemplateError) -> (ArgumentList, height: Int) {
    try expect(.leftParenthesis)
    var arguments = ArgumentList()
    var tallest = 0
    while !current.isOperator(.rightParenthesis) {
      if skip(.multiply) {
        guard arguments.splat == nil, arguments.keywordSplat == nil else { throw unexpected("an argument") }
        arguments.splat = try parseExpression()
      } else if skip(.pow) {
        guard arguments.keywordSplat == nil else { throw unexpected("an argument") }
        arguments.keywordSplat = try parseExpression()
      } else if case .name(let name) = current.kind, next.isOperator(.assign) {
        guard arguments.keywordSplat == nil else { throw unexpected("')'") }
        advance()
        advance()
        arguments.keyword.append((name, try parseExpression()))
      } else {
        guard arguments.splat == nil, arguments.keywordSplat == nil, arguments.keyword.isEmpty else {
          throw unexpected("an argument by name")
        }
        arguments.positional.append(try parseExpression())
      }
      tallest = max(tallest, height)
      guard skip(.comma) else { break }
    }
    try expect(.rightParenthesis)
    return (arguments, tallest)
  }

  /// A filter's name and arguments, after the pipe.
  mutating func parseFilter(_ operand: (any Expression)?) throws(ChatTemplateError) -> FilterExpression {
    let start = line
    var tallest = operand == nil ? 0 : height
    let name = try parseDottedName()
    if Filters.all[name] == nil, !isSoft { unknown.append(.unknownFilter(name, line: start)) }
    var arguments = ArgumentList()
    if current.isOperator(.leftParenthesis) {
      let parsed = try parseArguments()
      arguments = parsed.0
      tallest = max(tallest, parsed.height)
    }
    try grow(over: tallest)
    return FilterExpression(line: start, name: name, operand: operand, arguments: arguments)
  }

  private mutating func parseDottedName() throws(ChatTemplateError) -> String {
    var name = try expectName()
    while skip(.dot) { name += "." + (try expectName()) }
    return name
  }

  private mutating func parseTest(_ operand: any Expression) throws(ChatTemplateError) -> any Expression {
    let start = line
    var tallest = height
    advance()
    let isNegated = skip(name: "not")
    let name = try parseDottedName()
    if !Tests.isKnown(name), !isSoft { unknown.append(.unknownTest(name, line: start)) }
    var arguments = ArgumentList()
    switch current.kind {
    case .op(.leftParenthesis):
      let parsed = try parseArguments()
      arguments = parsed.0
      tallest = max(tallest, parsed.height)
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"): throw .syntax("tests cannot be chained with 'is'", line: line)
    case .name, .string, .integer, .float, .op(.leftBracket), .op(.leftBrace):
      try enter()
      defer { leave() }
      arguments.positional = [try parsePostfix(try parsePrimary())]
      tallest = max(tallest, height)
    default: break
    }
    try grow(over: tallest)
    let node = TestExpression(line: start, name: name, operand: operand, arguments: arguments)
    guard isNegated else { return node }
    try grow(over: height)
    return NotExpression(line: start, operand: node)
  }
}
