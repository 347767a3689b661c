import JSON

/// Items of numbers.
extension GeneratorDescription {
  /// A number of as many digits as the range allows, each count of them equally often.
  private func number(_ numbers: inout SeededNumbers) -> Int {
    let count = numbers.integer(digits)
    let least = count == 1 ? 0 : Self.power(count - 1)
    return numbers.integer(least...(Self.power(count) - 1))
  }

  /// 10 to the n; n is at most 9.
  private static func power(_ n: Int) -> Int { (0..<n).reduce(1) { product, _ in product * 10 } }

  private static func item(_ question: String, _ answer: Int) -> JSONObject {
    JSONObject([("question", .string(question)), ("answer", .string("\(answer)"))])
  }

  /// `4 + 25 - 3`.
  func chainSum(_ numbers: inout SeededNumbers) -> JSONObject {
    var total = number(&numbers)
    var text = "\(total)"
    for _ in 1..<max(numbers.integer(terms), 2) {
      let term = number(&numbers)
      let isSum = numbers.integer(0...1) == 0
      total += isSum ? term : -term
      text += isSum ? " + \(term)" : " - \(term)"
    }
    return Self.item(text, total)
  }

  /// Two numbers of equally many digits.
  func addition(_ numbers: inout SeededNumbers) -> JSONObject {
    let count = numbers.integer(digits)
    let range = (count == 1 ? 0 : Self.power(count - 1))...(Self.power(count) - 1)
    let (a, b) = (numbers.integer(range), numbers.integer(range))
    return Self.item("\(a) + \(b)", a + b)
  }

  func products(_ numbers: inout SeededNumbers) -> JSONObject {
    let (a, b) = (number(&numbers), number(&numbers))
    return Self.item("\(a) * \(b)", a * b)
  }

  func gcd(_ numbers: inout SeededNumbers) -> JSONObject {
    let common = numbers.integer(1...12)
    let (a, b) = (common * numbers.integer(1...20), common * numbers.integer(1...20))
    var (x, y) = (a, b)
    while y != 0 { (x, y) = (y, x % y) }
    return Self.item("\(a) and \(b)", x)
  }

  func sorting(_ numbers: inout SeededNumbers) -> JSONObject {
    let list = (0..<numbers.integer(terms)).map { _ in number(&numbers) }
    func text(_ list: [Int]) -> JSONValue { .string(list.map { "\($0)" }.joined(separator: ", ")) }
    return JSONObject([("question", text(list)), ("answer", text(list.sorted()))])
  }

  /// Numbers and a target that can be reached with each of them once, by `+` and `-`.
  func countdown(_ numbers: inout SeededNumbers) -> JSONObject {
    let list = (0..<max(numbers.integer(terms), 2)).map { _ in numbers.integer(1...maximum) }
    var total = list[0]
    for term in list.dropFirst() { total += numbers.integer(0...1) == 0 ? term : -term }
    // Targets are not negative; the plain sum can always be reached.
    if total < 0 { total = list.reduce(0, +) }
    let shown = numbers.shuffled(list)
    return JSONObject([
      ("question", .string(shown.map { "\($0)" }.joined(separator: ", ") + " to \(total)")),
      ("numbers", .array(shown.map { .int($0) })), ("answer", .string("\(total)")),
    ])
  }
}
