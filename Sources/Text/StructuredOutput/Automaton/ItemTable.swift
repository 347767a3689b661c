/// How many items an array without duplicates may have.
struct ItemTable: Sendable {
  var minimum: Int
  var maximum: Int?
  /// How many different items there are, `.max` for more than can be counted.
  var completions = Int.max

  typealias Content = ObjectRecord.Content

  /// After one more byte of an item whose state has `completions` texts left: one of them must be new.
  func spelling(_ byte: UInt8?, _ content: Content, completions: Int) -> Content? {
    var content = content
    if let byte { content.current.append(byte) }
    return isOpen(content, completions: completions) ? content : nil
  }

  private func isOpen(_ content: Content, completions: Int) -> Bool {
    if completions == .max { return true }
    var taken = 0
    for text in content.seen where text.starts(with: content.current) { taken += 1 }
    return taken < completions
  }

  /// After an item: nil where it was there before.
  func ended(_ content: Content) -> Content? {
    if content.current.isEmpty { return content }
    guard !content.seen.contains(content.current) else { return nil }
    var content = content
    content.seen.insert(content.current)
    content.current = []
    return content
  }

  func admitsMore(_ content: Content) -> Bool {
    content.seen.count < maximum ?? .max && content.seen.count < completions
  }

  func isComplete(_ content: Content) -> Bool { content.seen.count >= minimum }
}

/// Finds out how many texts items can still become.
enum ItemGates {
  static func make(
    _ rule: inout RuleAutomaton, marked: [Int32: MemberGate], budget: CompileBudget
  ) throws(StructuredOutputError) -> [Int32: MemberGate] {
    guard case .items(var table)? = rule.table else { return marked }
    var byteCounts = [Int](repeating: 0, count: rule.classCount)
    for byte in 0..<256 { byteCounts[Int(rule.classes[byte])] += 1 }
    var gates = marked
    var known: [Int32: Int] = [:]
    let starts = marked.keys.filter { if case .item? = marked[$0] { true } else { false } }.sorted()
    for start in starts {
      // A walk in depth; a state met on its own path has texts without end.
      var stack: [(state: Int32, column: Int, sum: Int, isEndless: Bool)] = [(start, 0, 0, false)]
      var open: Set<Int32> = [start]
      func leaves(_ state: Int32) -> Int? {
        switch marked[state] {
        case .itemEnded: 1
        case .moreItems, .closing: 0
        default: nil
        }
      }
      /// Counts the texts that begin with a byte of the class `column` in the state on top.
      func add(_ texts: Int, column: Int) {
        let top = stack.count - 1
        let (product, overflows) = texts.multipliedReportingOverflow(by: byteCounts[column])
        let (sum, overflowsToo) = stack[top].sum.addingReportingOverflow(product)
        if overflows || overflowsToo { stack[top].isEndless = true } else { stack[top].sum = sum }
      }
      while let top = stack.last {
        try budget.spend(2)
        if top.column == rule.classCount {
          stack.removeLast()
          open.remove(top.state)
          // A number may end where an array may close.
          let ends = rule.calls[Int(top.state)].contains {
            if case .closing? = marked[$0.target] { true } else { false }
          }
          let (sum, overflow) = top.sum.addingReportingOverflow(ends ? 1 : 0)
          let total = top.isEndless || overflow || sum > 1 << 40 ? Int.max : sum
          known[top.state] = total
          if let parent = stack.last { add(total, column: parent.column - 1) }
          continue
        }
        stack[stack.count - 1].column += 1
        let target = rule.transitions[Int(top.state) * rule.classCount + top.column]
        if target < 0 { continue }
        if let texts = leaves(target) {
          add(texts, column: top.column)
        } else if let texts = known[target] {
          add(texts, column: top.column)
        } else if open.contains(target) {
          for i in stack.indices { stack[i].isEndless = true }
        } else {
          open.insert(target)
          stack.append((target, 0, 0, false))
        }
      }
    }
    for (state, completions) in known {
      if starts.contains(state) {
        table.completions = completions
        gates[state] = nil
      } else {
        gates[state] = .item(completions: completions)
      }
    }
    if table.completions < table.minimum {
      throw .contradictory(
        pointer: budget.pointer,
        reason: "it needs \(table.minimum) different items and there are \(table.completions)")
    }
    rule.table = .items(table)
    return gates
  }
}
