/// An expression of integers with `+`, `-`, `*`, `/` and brackets, read by a parser of its own.
///
/// Divisions must come out even; nothing may leave 64 bits.
package struct IntegerExpression: Sendable, Equatable {
  /// Why a text is none, in words.
  package enum Failure: Error, Equatable, CustomStringConvertible {
    case unexpected(String)
    case overflow
    case uneven
    case tooLong

    package var description: String {
      switch self {
      case .unexpected(let what): "\(what) is out of place"
      case .overflow: "its numbers leave 64 bits"
      case .uneven: "a division has a remainder"
      case .tooLong: "it is too long"
      }
    }
  }

  package private(set) var value = 0
  /// Those written in it, in order.
  package private(set) var numbers: [Int] = []
  private let scalars: [Unicode.Scalar]
  private var at = 0
  private var depth = 0

  private static let lengthLimit = 4096
  private static let depthLimit = 100

  package init(_ text: some StringProtocol) throws(Failure) {
    scalars = text.unicodeScalars.filter { !$0.properties.isWhitespace }
    guard scalars.count <= Self.lengthLimit else { throw .tooLong }
    value = try sum()
    guard at == scalars.count else { throw .unexpected("\"\(scalars[at])\"") }
  }

  private var next: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

  private mutating func sum() throws(Failure) -> Int {
    var total = try product()
    while let sign = next, sign == "+" || sign == "-" || sign == "\u{2212}" {
      at += 1
      let term = try product()
      total = try Self.checked(
        sign == "+" ? total.addingReportingOverflow(term) : total.subtractingReportingOverflow(term))
    }
    return total
  }

  private mutating func product() throws(Failure) -> Int {
    var total = try factor()
    while let sign = next, ["*", "/", "\u{00D7}", "\u{00F7}", "\u{22C5}"].contains(sign) {
      at += 1
      let term = try factor()
      if sign == "/" || sign == "\u{00F7}" {
        guard term != 0 else { throw .uneven }
        let (quotient, overflows) = total.dividedReportingOverflow(by: term)
        guard !overflows else { throw .overflow }
        guard quotient * term == total else { throw .uneven }
        total = quotient
      } else {
        total = try Self.checked(total.multipliedReportingOverflow(by: term))
      }
    }
    return total
  }

  private mutating func factor() throws(Failure) -> Int {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .tooLong }
    switch next {
    case "-", "\u{2212}":
      at += 1
      return try Self.checked(0.subtractingReportingOverflow(try factor()))
    case "(":
      at += 1
      let inner = try sum()
      guard next == ")" else { throw .unexpected(next.map { "\"\($0)\"" } ?? "the end") }
      at += 1
      return inner
    case let digit? where ("0"..."9").contains(digit):
      var number = 0
      while let digit = next, ("0"..."9").contains(digit) {
        number = try Self.checked(number.multipliedReportingOverflow(by: 10))
        number = try Self.checked(number.addingReportingOverflow(Int(digit.value) - 48))
        at += 1
      }
      numbers.append(number)
      return number
    default: throw .unexpected(next.map { "\"\($0)\"" } ?? "the end")
    }
  }

  private static func checked(_ result: (partialValue: Int, overflow: Bool)) throws(Failure) -> Int {
    guard !result.overflow else { throw .overflow }
    return result.partialValue
  }
}
