/// Numbers that are written as one digit, with or without a fraction, and an exponent.
extension ScalarAutomaton {
  /// The ten digits, the point, the letter of exponents, signs, and everything else.
  private static let scientificAlphabet: [ScalarSet] = {
    let digits = (0..<10).map { ScalarSet([48 + $0...48 + $0]) }
    let others = ScalarSet("0123456789.eE+-").complement
    return digits + [ScalarSet("."), ScalarSet("eE"), ScalarSet("+"), ScalarSet("-"), others]
  }()
  /// As many as tell doubles apart, behind the first one.
  private static let fractionLimit = 16

  private enum Order { case less, equal, greater }
  private enum Scientific: Hashable {
    case start
    /// So many digits read, and how they compare with the bounds' first ones.
    case digits(count: Int, hasPoint: Bool, minimum: Order, maximum: Order)
    /// What the exponent may be, and what of it has been read.
    case exponent(allowed: ClosedRange<Int>, isNegative: Bool?, digit: Int?)
    case ended
  }

  /// Such numbers above zero, without sign, that are within the bounds.
  static func scientificMagnitudes(atLeast minimum: NumberBound?, atMost maximum: NumberBound?) -> ScalarAutomaton {
    let nothing = ScalarAutomaton(alphabet: scientificAlphabet, transitions: [], accepts: [])
    // Above zero nothing is below a minimum of zero or less.
    let minimum = minimum.flatMap { $0.value.isNegative || $0.value.isZero ? nil : $0 }
    if let value = maximum?.value, value.isNegative || value.isZero { return nothing }
    let limit = 99

    func compare(_ digit: Int, _ count: Int, _ order: Order, _ bound: NumberBound?) -> Order {
      guard order == .equal, let digits = bound?.value.digits else { return order }
      let other = count < digits.count ? Int(digits[count]) : 0
      return digit < other ? .less : digit > other ? .greater : .equal
    }
    /// How the digits compare once no more come: the bound may have more of them.
    func final(_ order: Order, _ count: Int, _ bound: NumberBound) -> Order {
      order == .equal && count < bound.value.digits.count ? .less : order
    }
    func exponents(_ count: Int, _ low: Order, _ high: Order) -> ClosedRange<Int>? {
      var (lowest, highest) = (-limit, limit)
      if let minimum {
        let order = final(low, count, minimum)
        let isWithin = order == .greater || (order == .equal && !minimum.isExclusive)
        lowest = max(lowest, minimum.value.integerDigitCount - 1 + (isWithin ? 0 : 1))
      }
      if let maximum {
        let order = final(high, count, maximum)
        let isWithin = order == .less || (order == .equal && !maximum.isExclusive)
        highest = min(highest, maximum.value.integerDigitCount - 1 - (isWithin ? 0 : 1))
      }
      return lowest <= highest ? lowest...highest : nil
    }

    return explore(
      scientificAlphabet, from: Scientific.start,
      accepts: { state in
        switch state {
        case .start, .digits: false
        case .exponent(let allowed, let isNegative, let digit?):
          allowed.contains(isNegative == true ? -digit : digit)
        case .exponent: false
        case .ended: true
        }
      },
      next: { state, column in
        switch state {
        case .start:
          guard (1...9).contains(column) else { return nil }
          return .digits(
            count: 1, hasPoint: false, minimum: compare(column, 0, .equal, minimum),
            maximum: compare(column, 0, .equal, maximum))
        case .digits(let count, let hasPoint, let low, let high):
          if column == 10 { return hasPoint ? nil : .digits(count: count, hasPoint: true, minimum: low, maximum: high) }
          if column == 11, !hasPoint || count > 1 {
            return exponents(count, low, high).map { .exponent(allowed: $0, isNegative: nil, digit: nil) }
          }
          guard column < 10, hasPoint, count <= fractionLimit else { return nil }
          return .digits(
            count: count + 1, hasPoint: true, minimum: compare(column, count, low, minimum),
            maximum: compare(column, count, high, maximum))
        case .exponent(let allowed, let isNegative, let digit):
          if column == 12 || column == 13 {
            return isNegative == nil ? .exponent(allowed: allowed, isNegative: column == 13, digit: nil) : nil
          }
          guard column < 10 else { return nil }
          guard let digit else { return .exponent(allowed: allowed, isNegative: isNegative ?? false, digit: column) }
          let value = 10 * digit + column
          return allowed.contains(isNegative == true ? -value : value) ? .ended : nil
        case .ended: return nil
        }
      })
  }
}
