/// A bound of a number's values.
struct NumberBound: Hashable, Sendable {
  var value: DecimalNumber
  var isExclusive: Bool
}

/// What a schema demands of a number.
struct NumberConstraint: Hashable, Sendable {
  var minimum: NumberBound?
  var maximum: NumberBound?
  var divisors: [DecimalNumber] = []
  /// Numbers of which it must not be a multiple.
  var nonDivisors: [DecimalNumber] = []

  mutating func raiseMinimum(_ bound: NumberBound) {
    guard let old = minimum else {
      minimum = bound
      return
    }
    if old.value < bound.value || (old.value == bound.value && bound.isExclusive) { minimum = bound }
  }

  mutating func lowerMaximum(_ bound: NumberBound) {
    guard let old = maximum else {
      maximum = bound
      return
    }
    if bound.value < old.value || (old.value == bound.value && bound.isExclusive) { maximum = bound }
  }

  /// Whether the bounds leave no number at all.
  var isContradictory: Bool {
    guard let minimum, let maximum else { return false }
    if maximum.value < minimum.value { return true }
    return maximum.value == minimum.value && (minimum.isExclusive || maximum.isExclusive)
  }

  /// Whether no number can be within both.
  func isDisjoint(from other: NumberConstraint) -> Bool {
    var both = self
    if let bound = other.minimum { both.raiseMinimum(bound) }
    if let bound = other.maximum { both.lowerMaximum(bound) }
    return both.isContradictory
  }

  func admits(_ value: DecimalNumber) -> Bool {
    if let minimum, value < minimum.value || (minimum.isExclusive && value == minimum.value) { return false }
    if let maximum, maximum.value < value || (maximum.isExclusive && value == maximum.value) { return false }
    return divisors.allSatisfy { Divisor($0)?.divides(value) ?? false }
      && nonDivisors.allSatisfy { Divisor($0).map { !$0.divides(value) } ?? false }
  }
}

/// A divisor as `integer` · 10^-`scale`.
struct Divisor {
  static let integerLimit = 10_000
  static let scaleLimit = 15

  let integer: Int
  let scale: Int

  /// nil for a divisor that is not positive, or that has too many digits for an automaton to keep remainders of.
  init?(_ value: DecimalNumber) {
    guard !value.isZero, !value.isNegative, value.fractionDigitCount <= Self.scaleLimit,
      value.digits.count + max(0, value.exponent) <= 5
    else { return nil }
    var integer = 0
    for digit in value.digits { integer = integer * 10 + Int(digit) }
    for _ in 0..<max(0, value.exponent) { integer *= 10 }
    guard integer <= Self.integerLimit else { return nil }
    self.integer = integer
    scale = value.fractionDigitCount
  }

  /// Exactly, whatever the value's size.
  func divides(_ value: DecimalNumber) -> Bool {
    if value.isZero { return true }
    let zeros = value.exponent + scale
    guard zeros >= 0 else { return false }
    var remainder = 0
    for digit in value.digits { remainder = (remainder * 10 + Int(digit)) % integer }
    for _ in 0..<zeros where remainder != 0 { remainder = remainder * 10 % integer }
    return remainder == 0
  }
}
