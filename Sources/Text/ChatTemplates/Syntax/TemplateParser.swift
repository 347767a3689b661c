/// A recursive-descent parser from tokens to statements.
///
/// It counts its own recursion and the height of the trees it builds, so that neither parsing, nor evaluating, nor
/// releasing a template can exhaust a thread's stack.
struct TemplateParser {
  private let tokens: [TemplateToken]
  private var at = 0
  /// The height a tree may have.
  private let heightLimit: Int
  /// Levels of brackets, operators before an operand, and blocks; each takes a dozen of the parser's own frames.
  private let nestingLimit: Int
  private var nesting = 0
  /// The height of the expression parsed last.
  var height = 0

  /// Inside an `if`, an unknown filter or test matters only when it is reached.
  var isSoft = false
  /// Unknown filters and tests met where none may be.
  var unknown: [ChatTemplateError] = []
  /// Whether `break` and `continue` have a loop here.
  var isInLoop = false
  /// Which of `caller`, `varargs` and `kwargs` the current macro's body mentions.
  var macroNames: Set<String> = []
  var rootNames = RootNames()

  init(_ tokens: [TemplateToken], limits: TemplateLimits) {
    self.tokens = tokens
    heightLimit = limits.depth
    nestingLimit = max(1, limits.depth / 4)
  }

  struct Template: Sendable {
    let body: [any Statement]
    /// Names that are undefined until the template sets them, even when a variable of that name is given.
    let shadowedNames: [String]
  }

  static func parse(_ source: String, limits: TemplateLimits) throws(ChatTemplateError) -> Template {
    guard source.utf8.count <= limits.templateByteCount else {
      throw .templateTooLarge(byteCount: source.utf8.count, limit: limits.templateByteCount)
    }
    var parser = TemplateParser(try TemplateLexer.tokens(of: source), limits: limits)
    let body = try parser.parseBody(until: [])
    if let problem = parser.unknown.first { throw problem }
    return Template(body: body, shadowedNames: parser.rootNames.shadowed)
  }

  // MARK: Tokens

  var current: TemplateToken { tokens[at] }
  var next: TemplateToken { tokens[min(at + 1, tokens.count - 1)] }
  var line: Int { current.line }

  mutating func advance() { at = min(at + 1, tokens.count - 1) }

  mutating func skip(_ op: TemplateToken.Operator) -> Bool {
    guard current.isOperator(op) else { return false }
    advance()
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard current.isName(name) else { return false }
    advance()
    return true
  }

  mutating func expect(_ op: TemplateToken.Operator) throws(ChatTemplateError) {
    guard skip(op) else { throw unexpected("'\(op.rawValue)'") }
  }

  mutating func expect(name: String) throws(ChatTemplateError) {
    guard skip(name: name) else { throw unexpected("'\(name)'") }
  }

  mutating func expect(_ kind: TemplateToken.Kind, _ shown: String) throws(ChatTemplateError) {
    guard current.kind == kind else { throw unexpected(shown) }
    advance()
  }

  mutating func expectName() throws(ChatTemplateError) -> String {
    guard case .name(let name) = current.kind else { throw unexpected("a name") }
    advance()
    return name
  }

  func unexpected(_ expected: String) -> ChatTemplateError {
    .syntax("\(current.shown) stands where \(expected) should be", line: line)
  }

  // MARK: Limits

  mutating func enter() throws(ChatTemplateError) {
    guard nesting < nestingLimit else { throw .limitExceeded(.depth, limit: nestingLimit, line: line) }
    nesting += 1
  }

  mutating func leave() { nesting -= 1 }

  /// Makes the tree just built one level higher than its highest part, of height `tallest`.
  mutating func grow(over tallest: Int) throws(ChatTemplateError) {
    guard tallest < heightLimit else { throw .limitExceeded(.depth, limit: heightLimit, line: line) }
    height = tallest + 1
  }
}

/// Which names the template's outermost level sets before it reads them.
///
/// Jinja compiles those to local variables that start undefined: a loop that comes before the `set` does not see
/// a variable of the same name that was passed in.
struct RootNames {
  private(set) var shadowed: [String] = []
  private var seen: Set<String> = []
  /// Levels of scopes below the outermost, where nothing counts.
  var scopeDepth = 0
  /// Levels of `if`: a `set` there may not happen, so it shadows nothing.
  var branchDepth = 0

  mutating func load(_ name: String) {
    if scopeDepth == 0 { seen.insert(name) }
  }

  mutating func store(_ name: String) {
    guard scopeDepth == 0, seen.insert(name).inserted, branchDepth == 0 else { return }
    shadowed.append(name)
  }

  mutating func store(_ target: AssignmentTarget) {
    switch target {
    case .name(let name): store(name)
    case .attribute(_, let owner): load(owner)
    case .tuple(let targets): for target in targets { store(target) }
    }
  }
}
