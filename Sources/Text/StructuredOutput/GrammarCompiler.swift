import JSON

/// Turns a grammar into rules, and these into an automaton.
final class GrammarCompiler {
  /// How many rules a grammar may have.
  static let ruleLimit = 20_000
  static let repeatLimit = 50_000

  let vocabulary: TokenVocabulary
  let budget = CompileBudget()
  private(set) var rules: [RuleAutomaton?] = []
  private(set) var names: [String] = []
  private var shared: [String: Int32] = [:]
  /// Contradictions met where there may be other ways.
  var contradictions: [StructuredOutputError] = []

  static func compile(
    _ grammar: OutputGrammar, vocabulary: TokenVocabulary
  ) throws(StructuredOutputError) -> PushdownAutomaton {
    let compiler = GrammarCompiler(vocabulary)
    let root = try compiler.reserveRule("#")
    var builder = compiler.makeBuilder()
    try compiler.add(grammar, path: "$", depth: 0, to: &builder, from: RuleBuilder.start, end: RuleBuilder.end)
    try compiler.define(root, builder)
    do throws(StructuredOutputError) {
      return try compiler.automaton()
    } catch {
      if case .contradictory = error, let first = compiler.contradictions.first { throw first }
      throw error
    }
  }

  init(_ vocabulary: TokenVocabulary) { self.vocabulary = vocabulary }

  /// All rules, which must be defined, as one automaton.
  func automaton() throws(StructuredOutputError) -> PushdownAutomaton {
    try PushdownAutomaton(rules.compactMap { $0 }, names: names, budget: budget)
  }

  func makeBuilder() -> RuleBuilder { RuleBuilder(usable: vocabulary.singleBytes) }

  /// A number for a rule that is defined later; `name` says where it comes from.
  func reserveRule(_ name: String) throws(StructuredOutputError) -> Int32 {
    guard rules.count < Self.ruleLimit else {
      throw .tooLarge(what: "the number of rules", pointer: name, limit: Self.ruleLimit)
    }
    rules.append(nil)
    names.append(name)
    return Int32(rules.count - 1)
  }

  func define(_ rule: Int32, _ builder: RuleBuilder) throws(StructuredOutputError) {
    budget.pointer = names[Int(rule)]
    rules[Int(rule)] = try RuleAutomaton(builder, budget: budget)
  }

  /// The rule known as `key`, built the first time it is asked for.
  func sharedRule(
    _ key: String, name: String, _ build: (inout RuleBuilder) throws(StructuredOutputError) -> Void
  ) throws(StructuredOutputError) -> Int32 {
    if let known = shared[key] { return known }
    let rule = try reserveRule(name)
    shared[key] = rule
    var builder = makeBuilder()
    try build(&builder)
    try define(rule, builder)
    return rule
  }

  private func add(
    _ grammar: OutputGrammar, path: String, depth: Int, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    func failure(_ reason: String) -> StructuredOutputError { .malformedGrammar(path: path, reason: reason) }
    guard depth <= OutputGrammar.depthLimit else {
      throw failure("nests deeper than \(OutputGrammar.depthLimit) levels")
    }
    switch grammar {
    case .text(let text): try add(text, to: &builder, from: from, end: end)
    case .until(let text): try addText(until: Array(text.utf8), to: &builder, from: from, end: end)
    case .json(let schema, let inOrder):
      let rule = try SchemaCompiler(schema, inOrder: inOrder, in: self).compile()
      builder.addCall(rule, from: from, to: end)
    case .jsonObject:
      let rule = try SchemaCompiler(["type": "object"], in: self).compile()
      builder.addCall(rule, from: from, to: end)
    case .sequence(let items):
      var at = from
      for (i, item) in items.enumerated() {
        let next = builder.makeState()
        try add(item, path: "\(path).items[\(i)]", depth: depth + 1, to: &builder, from: at, end: next)
        at = next
      }
      builder.addEmpty(from: at, to: end)
    case .choice(let items):
      guard !items.isEmpty else { throw failure("is a choice of nothing") }
      for (i, item) in items.enumerated() {
        try add(item, path: "\(path).items[\(i)]", depth: depth + 1, to: &builder, from: from, end: end)
      }
    case .repeated(let item, let separator, let atLeast, let atMost):
      guard atLeast >= 0, atMost ?? atLeast >= atLeast else { throw failure("has counts that contradict each other") }
      guard max(atLeast, atMost ?? 0) <= Self.repeatLimit else {
        throw .tooLarge(what: "a repeat count", pointer: path, limit: Self.repeatLimit)
      }
      let rule = try reserveRule("\(path).item")
      var inner = makeBuilder()
      try add(item, path: "\(path).item", depth: depth + 1, to: &inner, from: RuleBuilder.start, end: RuleBuilder.end)
      try define(rule, inner)
      try repeatRule(rule, separator, atLeast: atLeast, atMost: atMost, in: &builder, from: from, end: end)
    }
  }

  private func repeatRule(
    _ rule: Int32, _ separator: String, atLeast: Int, atMost: Int?, in builder: inout RuleBuilder, from: Int32,
    end: Int32
  ) throws(StructuredOutputError) {
    if atLeast == 0 { builder.addEmpty(from: from, to: end) }
    let last = atMost ?? max(atLeast, 1)
    if last == 0 { return }
    var at = builder.makeState()
    builder.addCall(rule, from: from, to: at)
    for count in 1...last {
      if count >= atLeast { builder.addEmpty(from: at, to: end) }
      let separated = builder.makeState()
      if count < last {
        try add(separator, to: &builder, from: at, end: separated)
        let next = builder.makeState()
        builder.addCall(rule, from: separated, to: next)
        at = next
      } else if atMost == nil {
        try add(separator, to: &builder, from: at, end: separated)
        builder.addCall(rule, from: separated, to: at)
      }
    }
  }

  /// Adds any bytes up to the end of the first `close` among them (Knuth, Morris, Pratt), which may be a special token.
  private func addText(
    until close: [UInt8], to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    guard !close.isEmpty else { return builder.addEmpty(from: from, to: end) }
    try budget.spend(300 * close.count)
    var states = close.indices.map { _ in builder.makeState() }
    states.append(end)
    builder.addEmpty(from: from, to: states[0])
    // Where a byte leads that does not go on: as from the longest end of what was read that begins `close`, too.
    var fallback = [Int](repeating: 0, count: 256)
    for (position, byte) in close.enumerated() {
      var low = 0
      while low < 256 {
        let target = low == Int(byte) ? position + 1 : fallback[low]
        var high = low
        while high < 255, high + 1 != Int(byte), low != Int(byte), fallback[high + 1] == target { high += 1 }
        builder.addBytes(UInt8(low)...UInt8(high), from: states[position], to: states[target])
        low = high + 1
      }
      for (id, token) in vocabulary.specials where token.elementsEqual(close) {
        builder.addToken(id, from: states[position], to: end)
      }
      fallback = Self.fallback(close, position)
    }
  }

  /// Where each byte leads after the first `position` + 1 bytes of `close`, if it is not the next of them.
  private static func fallback(_ close: [UInt8], _ position: Int) -> [Int] {
    var next = [Int](repeating: 0, count: 256)
    for byte in 0..<256 {
      let read = Array(close[...position]) + [UInt8(byte)]
      for length in stride(from: min(position + 1, close.count - 1), through: 1, by: -1)
      where read.suffix(length).elementsEqual(close.prefix(length)) {
        next[byte] = length
        break
      }
    }
    return next
  }

  /// Adds a text, with edges for the special tokens that lie in it as a whole.
  private func add(
    _ text: String, to builder: inout RuleBuilder, from: Int32, end: Int32
  ) throws(StructuredOutputError) {
    let bytes = Array(text.utf8)
    try budget.spend(20 * bytes.count)
    let states = builder.addLiteral(bytes, from: from, to: end)
    for (id, token) in vocabulary.specials where token.count <= bytes.count {
      try budget.spend(bytes.count / 16 + 1)
      for at in 0...(bytes.count - token.count)
      where bytes[at] == token[0] && bytes[at..<at + token.count] == token[...] {
        builder.addToken(id, from: states[at], to: states[at + token.count])
      }
    }
  }
}
