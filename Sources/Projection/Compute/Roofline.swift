import Telemetry

/// Times of work that waits for memory or for arithmetic, whichever takes longer: max(perMemory · memory,
/// perArithmetic · arithmetic). After Williams, Waterman, Patterson, "Roofline" (2009).
struct Roofline {
  struct Point {
    var memory: Double
    var arithmetic: Double
    var seconds: Double
    /// What its relative error counts.
    var weight: Double
  }

  private(set) var perMemory = 0.0
  private(set) var perArithmetic = 0.0
  /// Root mean square of the relative errors, each as its weight says.
  private(set) var rms = 0.0

  /// The least squares of relative errors over all ways to part the points, by arithmetic for each memory, into those that wait for
  /// the one and for the other.
  init(_ all: [Point]) {
    let points = all.filter { $0.seconds > 0 && $0.memory > 0 }.sorted { $0.arithmetic / $0.memory < $1.arithmetic / $1.memory }
    guard !points.isEmpty else { return }
    var least = Double.infinity
    for split in 0...points.count {
      // Points of one ratio are of one kind.
      if split > 0, split < points.count, points[split].arithmetic * points[split - 1].memory == points[split - 1].arithmetic * points[split].memory {
        continue
      }
      let fit = LeastSquares(
        features: points.enumerated().map { i, point in
          [i < split ? point.memory : 0, i < split ? 0 : point.arithmetic]
        }, times: points.map(\.seconds), weights: points.map(\.weight))
      var roof = self
      (roof.perMemory, roof.perArithmetic) = (fit.coefficients[0], fit.coefficients[1])
      let squares = points.map { point in
        let error = (roof.seconds(memory: point.memory, arithmetic: point.arithmetic) / point.seconds - 1) * point.weight
        return error * error
      }
      let error = squares.reduce(0, +)
      guard error < least else { continue }
      least = error
      (perMemory, perArithmetic) = (roof.perMemory, roof.perArithmetic)
      rms = (error / points.reduce(0) { $0 + $1.weight * $1.weight }).squareRoot()
    }
  }

  func seconds(memory: Double, arithmetic: Double) -> Double { max(perMemory * memory, perArithmetic * arithmetic) }
}
