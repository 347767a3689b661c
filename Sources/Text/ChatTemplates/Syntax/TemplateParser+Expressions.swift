extension TemplateParser {
  /// An expression, or a tuple where commas follow without brackets.
  mutating func parseTuple(
    allowsConditional: Bool = true, end: String? = nil, isBracketed: Bool = false
  ) throws(ChatTemplateError) -> any Expression {
    let start = line
    var items: [any Expression] = []
    var tallest = 0
    var isTuple = false
    while !endsTuple(end) {
      items.append(try allowsConditional ? parseExpression() : parseNested())
      tallest = max(tallest, height)
      guard skip(.comma) else { break }
      isTuple = true
    }
    if !isTuple {
      if let only = items.first { return only }
      guard isBracketed else { throw unexpected("an expression") }
    }
    try grow(over: tallest)
    return SequenceExpression(line: start, items: items, isTuple: true)
  }

  /// `a if test else b` and everything that binds tighter.
  mutating func parseExpression() throws(ChatTemplateError) -> any Expression {
    try enter()
    defer { leave() }
    let known = unknown.count
    var expression = try parseOr()
    while skip(name: "if") {
      let start = line
      var tallest = height
      let test = try parseOr()
      tallest = max(tallest, height)
      var otherwise: (any Expression)?
      if skip(name: "else") {
        otherwise = try parseExpression()
        tallest = max(tallest, height)
      }
      try grow(over: tallest)
      unknown.removeLast(unknown.count - known)
      expression = ConditionalExpression(line: start, test: test, then: expression, otherwise: otherwise)
    }
    return expression
  }

  /// An expression that is not conditional, as a step of the parser's recursion.
  private mutating func parseNested() throws(ChatTemplateError) -> any Expression {
    try enter()
    defer { leave() }
    return try parseOr()
  }

  private mutating func parseOr() throws(ChatTemplateError) -> any Expression {
    var left = try parseAnd()
    var tallest = height
    while skip(name: "or") {
      let start = line
      let right = try parseAnd()
      try grow(over: max(tallest, height))
      tallest = height
      left = LogicalExpression(line: start, isAnd: false, left: left, right: right)
    }
    return left
  }

  private mutating func parseAnd() throws(ChatTemplateError) -> any Expression {
    var left = try parseNot()
    var tallest = height
    while skip(name: "and") {
      let start = line
      let right = try parseNot()
      try grow(over: max(tallest, height))
      tallest = height
      left = LogicalExpression(line: start, isAnd: true, left: left, right: right)
    }
    return left
  }

  private mutating func parseNot() throws(ChatTemplateError) -> any Expression {
    let start = line
    guard skip(name: "not") else { return try parseComparison() }
    try enter()
    defer { leave() }
    let operand = try parseNot()
    try grow(over: height)
    return NotExpression(line: start, operand: operand)
  }

  private static let comparisons: [TemplateToken.Operator: ComparisonOperator] = [
    .equal: .equal, .notEqual: .notEqual, .less: .less, .lessOrEqual: .lessOrEqual, .greater: .greater,
    .greaterOrEqual: .greaterOrEqual,
  ]

  private mutating func parseComparison() throws(ChatTemplateError) -> any Expression {
    let start = line
    let first = try parseSum()
    var tallest = height
    var rest: [(op: ComparisonOperator, operand: any Expression)] = []
    while true {
      let op: ComparisonOperator
      if case .op(let token) = current.kind, let comparison = Self.comparisons[token] {
        op = comparison
      } else if current.isName("in") {
        op = .isIn
      } else if current.isName("not"), next.isName("in") {
        advance()
        op = .notIn
      } else {
        break
      }
      advance()
      rest.append((op, try parseSum()))
      tallest = max(tallest, height)
    }
    if rest.isEmpty { return first }
    try grow(over: tallest)
    return ComparisonExpression(line: start, first: first, rest: rest)
  }

  private mutating func parseSum() throws(ChatTemplateError) -> any Expression {
    var left = try parseConcatenation()
    var tallest = height
    while current.isOperator(.add) || current.isOperator(.subtract) {
      let start = line
      let op: BinaryOperator = current.isOperator(.add) ? .add : .subtract
      advance()
      let right = try parseConcatenation()
      try grow(over: max(tallest, height))
      tallest = height
      left = BinaryExpression(line: start, op: op, left: left, right: right)
    }
    return left
  }

  private mutating func parseConcatenation() throws(ChatTemplateError) -> any Expression {
    let start = line
    var operands = [try parseProduct()]
    var tallest = height
    while skip(.tilde) {
      operands.append(try parseProduct())
      tallest = max(tallest, height)
    }
    if operands.count == 1 { return operands[0] }
    try grow(over: tallest)
    return ConcatenationExpression(line: start, operands: operands)
  }

  private static let products: [TemplateToken.Operator: BinaryOperator] = [
    .multiply: .multiply, .divide: .divide, .floorDivide: .floorDivide, .modulo: .modulo,
  ]

  private mutating func parseProduct() throws(ChatTemplateError) -> any Expression {
    var left = try parsePower()
    var tallest = height
    while case .op(let token) = current.kind, let op = Self.products[token] {
      let start = line
      advance()
      let right = try parsePower()
      try grow(over: max(tallest, height))
      tallest = height
      left = BinaryExpression(line: start, op: op, left: left, right: right)
    }
    return left
  }

  /// Powers; in Jinja they associate to the left.
  private mutating func parsePower() throws(ChatTemplateError) -> any Expression {
    var left = try parseUnary(allowsFilters: true)
    var tallest = height
    while current.isOperator(.pow) {
      let start = line
      advance()
      let right = try parseUnary(allowsFilters: true)
      try grow(over: max(tallest, height))
      tallest = height
      left = BinaryExpression(line: start, op: .power, left: left, right: right)
    }
    return left
  }

  private mutating func parseUnary(allowsFilters: Bool) throws(ChatTemplateError) -> any Expression {
    let start = line
    var node: any Expression
    if current.isOperator(.subtract) || current.isOperator(.add) {
      let isNegative = current.isOperator(.subtract)
      advance()
      try enter()
      defer { leave() }
      node = SignExpression(line: start, isNegative: isNegative, operand: try parseUnary(allowsFilters: false))
      try grow(over: height)
    } else {
      node = try parsePrimary()
    }
    node = try parsePostfix(node)
    return allowsFilters ? try parseFiltersAndTests(node) : node
  }

  mutating func parsePrimary() throws(ChatTemplateError) -> any Expression {
    let token = current
    height = 1
    switch token.kind {
    case .name(let name):
      advance()
      switch name {
      case "true", "True": return LiteralExpression(line: token.line, literal: .bool(true))
      case "false", "False": return LiteralExpression(line: token.line, literal: .bool(false))
      case "none", "None": return LiteralExpression(line: token.line, literal: .none)
      case "caller", "varargs", "kwargs": macroNames.insert(name)
      default: break
      }
      rootNames.load(name)
      return NameExpression(line: token.line, name: name)
    case .string(var text):
      advance()
      while case .string(let more) = current.kind {
        text += more
        advance()
      }
      return LiteralExpression(line: token.line, literal: .string(text))
    case .integer(let value):
      advance()
      return LiteralExpression(line: token.line, literal: .integer(value))
    case .float(let value):
      advance()
      return LiteralExpression(line: token.line, literal: .float(value))
    case .op(.leftParenthesis):
      advance()
      let node = try parseTuple(isBracketed: true)
      try expect(.rightParenthesis)
      return node
    case .op(.leftBracket): return try parseList()
    case .op(.leftBrace): return try parseDict()
    default: throw unexpected("an expression")
    }
  }

  private mutating func parseList() throws(ChatTemplateError) -> any Expression {
    let start = line
    advance()
    var items: [any Expression] = []
    var tallest = 0
    while !current.isOperator(.rightBracket) {
      items.append(try parseExpression())
      tallest = max(tallest, height)
      guard skip(.comma) else { break }
    }
    try expect(.rightBracket)
    try grow(over: tallest)
    return SequenceExpression(line: start, items: items, isTuple: false)
  }

  private mutating func parseDict() throws(ChatTemplateError) -> any Expression {
    let start = line
    advance()
    var members: [(key: any Expression, value: any Expression)] = []
    var tallest = 0
    while !current.isOperator(.rightBrace) {
      let key = try parseExpression()
      tallest = max(tallest, height)
      try expect(.colon)
      members.append((key, try parseExpression()))
      tallest = max(tallest, height)
      guard skip(.comma) else { break }
    }
    try expect(.rightBrace)
    try grow(over: tallest)
    return DictExpression(line: start, members: members)
  }
}
