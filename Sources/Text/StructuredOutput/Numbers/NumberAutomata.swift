/// The magnitudes, without sign, of the numbers that may be written.
///
/// At most 18 digits before and 20 after the point (more where a bound has more, up to 30 each), so that every integer
/// has 64 bits, every double can be written, and a number comes to an end. An exponent has two digits at most; within
/// bounds it stands behind one digit with or without a fraction, and none is written where divisors hold.
struct NumberAutomata {
  static let integerDigitCount = 18
  static let fractionDigitCount = 20
  static let integerDigitLimit = 30
  static let fractionDigitLimit = 30
  static let exponentDigitCount = 2

  /// Magnitudes of numbers from zero up, and of those below zero.
  private(set) var nonNegative: [ScalarAutomaton] = []
  private(set) var negative: [ScalarAutomaton] = []

  /// Both are empty where no number is left. With `isUnique` each number has one text, and both have one automaton at
  /// most.
  ///
  /// `types` has integers, fractions or both.
  init(_ constraint: NumberConstraint, types: TypeSet, isUnique: Bool = false, budget: CompileBudget)
    throws(StructuredOutputError)
  {
    let isInteger = !types.contains(.fraction)
    var integerDigits = try Self.integerDigitCount(constraint, budget: budget)
    var fractionDigits = isInteger ? 0 : try Self.fractionDigitCount(constraint, budget: budget)
    if isUnique {
      // As many digits as doubles tell apart.
      if integerDigits == Self.integerDigitCount { integerDigits = isInteger ? 15 : 8 }
      fractionDigits = min(fractionDigits, 7)
    }
    let isFree = constraint == NumberConstraint() && types.isSuperset(of: .number)
    var divisors: [ScalarAutomaton] = []
    for divisor in constraint.divisors {
      guard let divisor = Divisor(divisor) else {
        throw .unsupported(
          keyword: "multipleOf", pointer: budget.pointer,
          reason: "the divisor has too many digits; it may be \(Divisor.integerLimit) at most, times 1 to 1e-15")
      }
      divisors.append(try .multiples(of: divisor, budget: budget))
    }
    for isNegative in [false, true] {
      let mirrored = isNegative ? constraint.mirrored : constraint
      if let maximum = mirrored.maximum, maximum.value.isNegative { continue }
      if isNegative, let maximum = mirrored.maximum, maximum.value.isZero { continue }
      // No "-0" for integers, and none where each number has one text.
      let whole = "[1-9][0-9]{0,\(integerDigits - 1)}"
      var pattern = isNegative && isInteger ? whole : "(?:0|\(whole))"
      if fractionDigits > 0 {
        let fraction = isUnique ? "\\.[0-9]{0,\(fractionDigits - 1)}[1-9]" : "\\.[0-9]{1,\(fractionDigits)}"
        pattern = isNegative && isUnique ? "(?:0\(fraction)|\(whole)(?:\(fraction))?)" : "\(pattern)(?:\(fraction))?"
      }
      if isFree, !isUnique { pattern += "(?:[eE][+-]?[0-9]{1,\(Self.exponentDigitCount)})?" }
      var automaton = try ScalarAutomaton(whole: pattern, budget: budget)
      if !types.contains(.integer) {
        automaton = try automaton.intersection(
          ScalarAutomaton(whole: "[0-9]+\\.[0-9]*[1-9][0-9]*", budget: budget), budget: budget)
      }
      if let minimum = mirrored.minimum, !minimum.value.isNegative {
        automaton = try automaton.intersection(.magnitudes(comparedWith: minimum, wantsGreater: true), budget: budget)
      }
      if let maximum = mirrored.maximum, maximum.value.integerDigitCount <= Self.integerDigitLimit {
        automaton = try automaton.intersection(.magnitudes(comparedWith: maximum, wantsGreater: false), budget: budget)
      }
      for divisor in divisors { automaton = try automaton.intersection(divisor, budget: budget) }
      for divisor in constraint.nonDivisors.compactMap({ Divisor($0) }) {
        automaton = try automaton.subtracting(.multiples(of: divisor, budget: budget), budget: budget)
      }
      var automata = [automaton]
      let hasDivisors = !divisors.isEmpty || !constraint.nonDivisors.isEmpty
      if !isFree, !isUnique, !hasDivisors, types.isSuperset(of: .number) {
        try budget.spend(2000)
        automata.append(.scientificMagnitudes(atLeast: mirrored.minimum, atMost: mirrored.maximum))
      }
      automata.removeAll(where: \.isEmpty)
      if isNegative { negative = automata } else { nonNegative = automata }
    }
  }

  /// Enough digits for the smallest magnitude that is allowed.
  private static func integerDigitCount(
    _ constraint: NumberConstraint, budget: CompileBudget
  ) throws(StructuredOutputError) -> Int {
    var count = integerDigitCount
    // Only a bound that pushes values away from zero asks for more digits.
    for minimum in [constraint.minimum, constraint.mirrored.minimum] {
      guard let value = minimum?.value, !value.isNegative else { continue }
      count = max(count, value.integerDigitCount + 1)
    }
    guard count <= integerDigitLimit else {
      throw .unsupported(
        keyword: "minimum or maximum", pointer: budget.pointer,
        reason: "all numbers it leaves have more than \(integerDigitLimit - 1) digits")
    }
    return count
  }

  private static func fractionDigitCount(
    _ constraint: NumberConstraint, budget: CompileBudget
  ) throws(StructuredOutputError) -> Int {
    var count = fractionDigitCount
    for bound in [constraint.minimum, constraint.maximum] {
      if let bound { count = max(count, bound.value.fractionDigitCount + 1) }
    }
    guard count <= fractionDigitLimit else {
      throw .unsupported(
        keyword: "minimum or maximum", pointer: budget.pointer,
        reason: "it has more than \(fractionDigitLimit - 1) digits after the point")
    }
    return count
  }
}

extension NumberConstraint {
  /// The constraint of the negated numbers.
  var mirrored: NumberConstraint {
    NumberConstraint(
      minimum: maximum.map { NumberBound(value: $0.value.negated, isExclusive: $0.isExclusive) },
      maximum: minimum.map { NumberBound(value: $0.value.negated, isExclusive: $0.isExclusive) }, divisors: divisors,
      nonDivisors: nonDivisors)
  }
}

extension ScalarAutomaton {
  /// The ten digits, the point, and everything else.
  private static let decimalAlphabet: [ScalarSet] = {
    let digits = (0..<10).map { ScalarSet([48 + $0...48 + $0]) }
    return digits + [ScalarSet("."), ScalarSet("0123456789.").complement]
  }()

  /// Builds an automaton over digits and the point from states that are values.
  private static func explore<State: Hashable>(
    from start: State, accepts: (State) -> Bool, digit: (State, Int) -> State?, point: (State) -> State?
  ) -> ScalarAutomaton {
    explore(decimalAlphabet, from: start, accepts: accepts) { state, column in
      column < 10 ? digit(state, column) : column == 10 ? point(state) : nil
    }
  }

  /// Builds an automaton from states that are values; `next` takes the number of a class of `alphabet`.
  static func explore<State: Hashable>(
    _ alphabet: [ScalarSet], from start: State, accepts: (State) -> Bool, next: (State, Int) -> State?
  ) -> ScalarAutomaton {
    var result = ScalarAutomaton(alphabet: alphabet, transitions: [], accepts: [])
    var ids = [start: Int32(0)]
    var states = [start]
    func id(_ state: State?) -> Int32 {
      guard let state else { return dead }
      if let known = ids[state] { return known }
      ids[state] = Int32(states.count)
      states.append(state)
      return Int32(states.count - 1)
    }
    var done = 0
    while done < states.count {
      let state = states[done]
      done += 1
      for column in alphabet.indices { result.transitions.append(id(next(state, column))) }
      result.accepts.append(accepts(state))
    }
    return result.trimmed()
  }

  private enum Order { case less, equal, greater }
  private enum Comparison: Hashable {
    /// So many digits read before the point, and how they compare with the bound's first ones.
    case integer(count: Int, Order)
    /// More digits before the point than the bound has.
    case longer
    /// The same value before the point, and so many of the bound's digits after it.
    case fraction(count: Int)
    case decided(Order)
  }

  /// Decimals without sign and leading zeros that are greater (or less) than a bound that is zero or more, or equal to
  /// it unless it is exclusive.
  static func magnitudes(comparedWith bound: NumberBound, wantsGreater: Bool) -> ScalarAutomaton {
    let whole = bound.value.integerDigits.isEmpty ? [0] : bound.value.integerDigits
    let fraction = bound.value.fractionDigits
    func compare(_ a: Int, _ b: UInt8) -> Order { a < Int(b) ? .less : a > Int(b) ? .greater : .equal }
    func order(_ state: Comparison) -> Order {
      switch state {
      case .integer(let count, let order):
        count < whole.count ? .less : order == .equal && !fraction.isEmpty ? .less : order
      case .longer: .greater
      case .fraction(let count): count < fraction.count ? .less : .equal
      case .decided(let order): order
      }
    }
    return explore(
      from: Comparison.integer(count: 0, .equal),
      accepts: { state in
        switch order(state) {
        case .less: !wantsGreater
        case .greater: wantsGreater
        case .equal: !bound.isExclusive
        }
      },
      digit: { state, digit in
        switch state {
        case .integer(let count, let order):
          if count == whole.count { return .longer }
          return .integer(count: count + 1, order == .equal ? compare(digit, whole[count]) : order)
        case .longer: return .longer
        case .fraction(let count):
          let order = compare(digit, count < fraction.count ? fraction[count] : 0)
          return order == .equal ? .fraction(count: min(count + 1, fraction.count)) : .decided(order)
        case .decided(let order): return .decided(order)
        }
      },
      point: { state in
        guard case .integer(let count, let order) = state else { return state == .longer ? .decided(.greater) : nil }
        if count < whole.count { return .decided(.less) }
        return order == .equal ? .fraction(count: 0) : .decided(order)
      })
  }

  private struct Remainder: Hashable {
    var value: Int
    /// -1 before the point.
    var fractionCount: Int
  }

  /// Decimals that are whole multiples of `divisor`.
  static func multiples(of divisor: Divisor, budget: CompileBudget) throws(StructuredOutputError) -> ScalarAutomaton {
    try budget.spend(12 * divisor.integer * (divisor.scale + 2))
    return explore(
      from: Remainder(value: 0, fractionCount: -1),
      accepts: { state in
        var value = state.value
        for _ in max(0, state.fractionCount)..<divisor.scale { value = value * 10 % divisor.integer }
        return value % divisor.integer == 0
      },
      digit: { state, digit in
        if state.fractionCount == divisor.scale { return digit == 0 ? state : nil }
        return Remainder(
          value: (state.value * 10 + digit) % divisor.integer,
          fractionCount: state.fractionCount < 0 ? -1 : state.fractionCount + 1)
      },
      point: { state in state.fractionCount < 0 ? Remainder(value: state.value, fractionCount: 0) : nil })
  }
}
