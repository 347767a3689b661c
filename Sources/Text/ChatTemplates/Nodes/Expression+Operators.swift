enum BinaryOperator: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
}

enum ComparisonOperator: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case isIn = "in"
  case notIn = "not in"
}

struct BinaryExpression: Expression {
  let line: Int
  let op: BinaryOperator
  let left: any Expression
  let right: any Expression

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let a = try context.value(of: left, in: scope)
    let b = try context.value(of: right, in: scope)
    context.line = line
    return try context.apply(op, a, b)
  }
}

/// `and` and `or`, which give one of their operands.
struct LogicalExpression: Expression {
  let line: Int
  let isAnd: Bool
  let left: any Expression
  let right: any Expression

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: left, in: scope)
    return value.isTrue == isAnd ? try context.value(of: right, in: scope) : value
  }
}

struct NotExpression: Expression {
  let line: Int
  let operand: any Expression

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    .bool(!(try context.value(of: operand, in: scope).isTrue))
  }
}

/// A sign before a number.
struct SignExpression: Expression {
  let line: Int
  let isNegative: Bool
  let operand: any Expression

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    let value = try context.value(of: operand, in: scope)
    context.line = line
    if case .float(let float) = value { return .float(isNegative ? -float : float) }
    guard let integer = value.integer else {
      throw context.refusal(of: value, "bad operand type for unary \(isNegative ? "-" : "+"): '\(value.typeName)'")
    }
    let (negated, overflow) = (0).subtractingReportingOverflow(integer)
    guard !isNegative || !overflow else { throw context.overflow() }
    return .integer(isNegative ? negated : integer)
  }
}

/// A chain of comparisons, each operand evaluated at most once.
struct ComparisonExpression: Expression {
  let line: Int
  let first: any Expression
  let rest: [(op: ComparisonOperator, operand: any Expression)]

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    var left = try context.value(of: first, in: scope)
    for (op, operand) in rest {
      let right = try context.value(of: operand, in: scope)
      context.line = line
      guard try context.compare(op, left, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }
}

/// `a ~ b ~ c`: the operands as text, joined.
struct ConcatenationExpression: Expression {
  let line: Int
  let operands: [any Expression]

  func evaluate(_ context: Rendering, _ scope: Scope) throws(ChatTemplateError) -> Value {
    var text = ""
    for operand in operands {
      let value = try context.value(of: operand, in: scope)
      context.line = line
      text += try context.string(of: value)
      try context.checkValueSize(text.utf8.count)
    }
    return try context.text(text)
  }
}
