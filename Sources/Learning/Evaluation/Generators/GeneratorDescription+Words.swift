import JSON

/// Items of words.
extension GeneratorDescription {
  func letterCounting(_ numbers: inout SeededNumbers) -> JSONObject {
    let words = (0..<numbers.integer(terms)).map { _ in numbers.element(ShippedTasks.words) }
    let text = words.joined(separator: " ")
    // Seldom a letter that is not there.
    let letter = numbers.integer(0...9) == 0 ? "z" : String(numbers.element(Array(text.filter { $0 != " " })))
    let count = text.count { String($0) == letter }
    return JSONObject([
      ("question", .string("\(letter) in \(text)")), ("letter", .string(letter)), ("text", .string(text)),
      ("answer", .string("\(count)")),
    ])
  }

  func spellBackward(_ numbers: inout SeededNumbers) -> JSONObject {
    let words = (0..<numbers.integer(terms)).map { _ in numbers.element(ShippedTasks.words) }
    let text = words.joined(separator: " ")
    return JSONObject([("question", .string(text)), ("answer", .string(String(text.reversed())))])
  }

  /// A country and four capitals, one of them its own.
  func capitalChoices(_ numbers: inout SeededNumbers) -> JSONObject {
    let facts = ShippedTasks.capitals
    let fact = numbers.element(facts)
    var choices = [fact.capital]
    while choices.count < 4 {
      let other = numbers.element(facts).capital
      if !choices.contains(other) { choices.append(other) }
    }
    let shown = numbers.shuffled(choices)
    return JSONObject([
      ("question", .string(fact.country)), ("choices", .array(shown.map { .string($0) })),
      ("answer", .int(shown.firstIndex(of: fact.capital) ?? 0)),
    ])
  }
}
