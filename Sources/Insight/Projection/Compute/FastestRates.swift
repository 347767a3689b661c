/// The fastest that any phase of some runs read weights, and multiplied rows with them: a bound for phases whose own
/// times do not tell one of the two. Few batches of one size would else leave a cost at nothing.
struct FastestRates {
  /// Parameters a second, and parameters times rows a second.
  private(set) var read = 0.0
  private(set) var arithmetic = 0.0

  /// Of points of matrices of so many parameters each. `hasArithmetic`: whether all rows meet them.
  mutating func add(_ points: [Roofline.Point], parameters: Int, hasArithmetic: Bool = true) {
    for point in points where point.seconds > 0 {
      let parameters = Double(parameters)
      read = max(read, parameters * point.memory / point.seconds)
      if hasArithmetic { arithmetic = max(arithmetic, parameters * point.arithmetic / point.seconds) }
    }
  }

  /// What a reading of so many parameters takes at the least, and a row's products with them.
  func least(_ parameters: Int, hasArithmetic: Bool = true) -> (memory: Double, arithmetic: Double) {
    (
      read > 0 ? Double(parameters) / read : 0,
      hasArithmetic && arithmetic > 0 ? Double(parameters) / arithmetic : 0
    )
  }
}
