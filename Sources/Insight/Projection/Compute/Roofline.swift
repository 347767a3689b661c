import Telemetry

/// Times of work that waits for memory or for arithmetic, whichever takes longer: max(perMemory · memory, perArithmetic
/// · arithmetic). After Williams, Waterman, Patterson, "Roofline" (2009). Where there is much more arithmetic for each
/// memory than in the steps that were fitted, it costs what it does in those of the other kind.
package struct Roofline: Sendable {
  struct Point {
    /// Matrices or experts read, and rows or visits computed with them.
    var memory: Double
    var arithmetic: Double
    var seconds: Double
    /// What its relative error counts: 1, or less for steps of the other kind.
    var weight: Double
    var ratio: Double { arithmetic / memory }
  }

  package private(set) var perMemory = 0.0
  package private(set) var perArithmetic = 0.0
  /// Most arithmetic for each memory in steps of the fitted kind, and what arithmetic costs beyond it.
  private var limit = Double.infinity
  private var perArithmeticBeyond = 0.0
  /// Root mean square of the relative errors of the fitted kind.
  private(set) var rms = 0.0

  /// Of a share of one reading of the weights, with so much arithmetic: what is saved where that share is read ahead
  /// within a window.
  func saved(memory: Double, arithmetic: Double, window: Double, _ ahead: ComputeModel.Ahead) -> Double {
    let reading = perMemory * memory
    let least = max(perArithmetic * arithmetic, ahead.cost * reading)
    return max(0, min(max(reading, perArithmetic * arithmetic) - least, (1 - ahead.cost) * min(window, ahead.room)))
  }

  /// Straight on, whatever the arithmetic.
  init(perMemory: Double, perArithmetic: Double) { (self.perMemory, self.perArithmetic) = (perMemory, perArithmetic) }

  /// The least squares of relative errors over all ways to part the points, by their ratios, into those that wait for
  /// memory and those that wait for arithmetic.
  init(_ all: [Point]) {
    let points = all.filter { $0.seconds > 0 && $0.memory > 0 }.sorted { $0.ratio < $1.ratio }
    guard !points.isEmpty else { return }
    var least = Double.infinity
    for split in 0...points.count {
      // Points of one ratio wait for the same.
      if split > 0, split < points.count, points[split].ratio == points[split - 1].ratio { continue }
      let fit = LeastSquares(
        features: points.enumerated().map { i, point in
          [i < split ? point.memory : 0, i < split ? 0 : point.arithmetic]
        },
        times: points.map(\.seconds), weights: points.map(\.weight))
      let roof = Roofline(perMemory: fit.coefficients[0], perArithmetic: fit.coefficients[1])
      let error = points.reduce(0) { $0 + roof.squaredError($1) }
      guard error < least else { continue }
      (least, self) = (error, roof)
    }
    let own = points.filter { $0.weight == 1 }
    rms = own.isEmpty ? 0 : (own.reduce(0) { $0 + squaredError($1) } / Double(own.count)).squareRoot()
    guard let most = own.last?.ratio else { return }
    let beyond = points.filter { $0.ratio > most }
    guard !beyond.isEmpty else { return }
    limit = most
    perArithmeticBeyond =
      LeastSquares(features: beyond.map { [$0.arithmetic] }, times: beyond.map(\.seconds)).coefficients[0]
  }

  private func squaredError(_ point: Point) -> Double {
    let error = (seconds(memory: point.memory, arithmetic: point.arithmetic) / point.seconds - 1) * point.weight
    return error * error
  }

  /// Seconds of work of so many units of memory and of arithmetic, as the points have them that it was fitted to.
  package func seconds(memory: Double, arithmetic: Double) -> Double {
    let inside = min(arithmetic, limit * memory)
    return max(perMemory * memory, perArithmetic * inside, arithmetic > inside ? perArithmeticBeyond * arithmetic : 0)
  }

  /// Seconds for one reading of the weights and so many units of arithmetic.
  package func seconds(_ arithmetic: Double) -> Double { seconds(memory: 1, arithmetic: arithmetic) }

  /// The same with every cost multiplied.
  func scaled(_ factor: Double) -> Roofline {
    var roof = self
    roof.perMemory *= factor
    roof.perArithmetic *= factor
    roof.perArithmeticBeyond *= factor
    return roof
  }
}
