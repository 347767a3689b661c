/// The length of all gradients taken together, and by what they are to be multiplied so that it stays within bounds.
package struct GradientNorm: Sendable, Equatable {
  package let value: Double
  /// Where a square is infinite or no number: the first tensor, by name, that it is of.
  package let notFinite: String?

  /// From each tensor's sum of squares, added in the order of the bytes of their names.
  package init(squares: [(name: String, sum: Double)]) {
    let sorted = squares.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    value = sorted.reduce(0) { $0 + $1.sum }.squareRoot()
    notFinite = sorted.first { !$0.sum.isFinite }?.name
  }

  /// The factor that shortens gradients to `maximum`; 1 where they are no longer than that, or where `maximum` is nil.
  package func clipFactor(maximum: Double?) -> Float {
    guard let maximum, value > maximum else { return 1 }
    return Float(maximum / value)
  }

  /// Throws for a bound of the norm that is not positive and finite; nil is none.
  package static func check(maximum: Double?) throws(TrainingError) {
    guard let maximum, !(maximum > 0 && maximum.isFinite) else { return }
    throw .badOption("the bound of the gradient's norm", "\(maximum)", "give a positive number, such as 1")
  }
}
