internal import Glibc
import Telemetry

/// What reading weights and computing with them come to: m = perMemory · memory or a = perArithmetic · arithmetic,
/// whichever takes longer, after Williams, Waterman, Patterson, "Roofline" (2009), and what a call costs beside. Near
/// the ridge neither hides wholly behind the other: there both come to (m^p + a^p)^(1/p), from their sum at p = 1 to
/// the longer one at p = ∞.
struct RooflineCurve: Sendable {
  /// Of a call that reads anything or computes anything.
  private(set) var fixed = 0.0
  private(set) var perMemory = 0.0
  private(set) var perArithmetic = 0.0
  /// The exponent p.
  private(set) var sharpness = Double.infinity

  init(perMemory: Double, perArithmetic: Double) { (self.perMemory, self.perArithmetic) = (perMemory, perArithmetic) }

  func seconds(memory: Double, arithmetic: Double) -> Double {
    memory > 0 || arithmetic > 0 ? fixed + together(perMemory * memory, perArithmetic * arithmetic) : 0
  }

  /// What so long a reading and so much computing come to, but for what a call costs.
  func together(_ reading: Double, _ computing: Double) -> Double {
    let (more, less) = (max(reading, computing), min(reading, computing))
    guard less > 0, sharpness.isFinite else { return more }
    return more * pow(1 + pow(less / more, sharpness), 1 / sharpness)
  }

  func scaled(_ factor: Double, fixed fixedFactor: Double) -> RooflineCurve {
    var curve = self
    curve.fixed *= fixedFactor
    curve.perMemory *= factor
    curve.perArithmetic *= factor
    return curve
  }

  func squaredError(_ points: [Roofline.Point]) -> Double {
    points.reduce(0) { sum, point in
      let error = (seconds(memory: point.memory, arithmetic: point.arithmetic) / point.seconds - 1) * point.weight
      return sum + error * error
    }
  }
}

extension RooflineCurve {
  /// Exponents that are tried. Between neighbours the sum differs by some hundredths.
  private static let exponents = [1, 1.25, 1.5, 2, 3, 4, 6, 8]
  /// Those below infinity are taken where they leave less than this share of the squared error.
  private static let gain = 0.9
  /// Squared errors that differ by no more than this are rounding.
  private static let nothing = 1e-12
  /// Ways to part points that are tried.
  private static let splitLimit = 256
  /// Steps to the coefficients of an exponent: each adds a digit or so.
  private static let stepLimit = 16
  /// What a call costs shows only where calls read amounts that differ by this factor.
  private static let spread = 2.0

  /// What one fit works with: points by their ratio, and bounds.
  private struct Problem {
    var points: [Roofline.Point]
    var least: (memory: Double, arithmetic: Double)
    var hasFixed: Bool
  }

  /// The least squares of relative errors of points, which are sorted by their ratios and tell of some time, memory and
  /// arithmetic each. `least`: what a unit of memory and one of arithmetic cost at the least.
  init(_ points: [Roofline.Point], least: (memory: Double, arithmetic: Double)) {
    guard !points.isEmpty else { return }
    let own = points.filter { $0.weight == 1 }
    let amounts = (own.isEmpty ? points : own).map(\.memory)
    let problem = Problem(
      points: points, least: least, hasFixed: (amounts.max() ?? 0) >= Self.spread * (amounts.min() ?? 0))
    let sharp = Self.sharp(problem)
    self = sharp.curve
    let blunt = Self.exponents.map { Self.blunt(problem, exponent: $0) }.min { $0.error < $1.error }
    if let blunt, blunt.error < Self.gain * sharp.error - Self.nothing { self = blunt.curve }
  }

  /// p = ∞: the best of all ways, or of very many, to part the points, by their ratios, into those that wait for memory
  /// and those that wait for arithmetic.
  private static func sharp(_ problem: Problem) -> (curve: RooflineCurve, error: Double) {
    let points = problem.points
    var (best, error) = (RooflineCurve(perMemory: 0, perArithmetic: 0), Double.infinity)
    let step = max(1, points.count / splitLimit)
    for split in Array(stride(from: points.count, to: 0, by: -step)) + [0] {
      // Points of one ratio wait for the same: for memory, where either would do.
      if split > 0, split < points.count, points[split].ratio == points[split - 1].ratio { continue }
      let curve = solved(problem, exponent: .infinity) { $0 < split ? (1, 0) : (0, 1) }
      let found = curve.squaredError(points)
      if found < error - nothing { (best, error) = (curve, found) }
    }
    return (best, error)
  }

  /// A finite p, by Gauss and Newton. (m^p + a^p)^(1/p) is homogeneous, so that it is the sum of its coefficients times
  /// its derivatives by them: each step is least squares with these as features.
  private static func blunt(_ problem: Problem, exponent: Double) -> (curve: RooflineCurve, error: Double) {
    let points = problem.points
    // Neither takes longer than the shortest of all.
    var curve = RooflineCurve(
      perMemory: points.map { $0.seconds / $0.memory }.min() ?? 0,
      perArithmetic: points.map { $0.seconds / $0.arithmetic }.min() ?? 0)
    curve.sharpness = exponent
    var (best, error) = (curve, curve.squaredError(points))
    for _ in 0..<stepLimit {
      let current = curve
      curve = solved(problem, exponent: exponent) { place in
        let (reading, computing) = (
          current.perMemory * points[place].memory, current.perArithmetic * points[place].arithmetic
        )
        let sum = current.together(reading, computing)
        return sum > 0 ? (pow(reading / sum, exponent - 1), pow(computing / sum, exponent - 1)) : (1, 1)
      }
      let found = curve.squaredError(points)
      if found < error { (best, error) = (curve, found) }
    }
    return (best, error)
  }

  /// Least squares, where of each point's memory and arithmetic these parts count.
  private static func solved(
    _ problem: Problem, exponent: Double, _ parts: (Int) -> (memory: Double, arithmetic: Double)
  ) -> RooflineCurve {
    let (points, least, hasFixed) = (problem.points, problem.least, problem.hasFixed)
    let found = LeastSquares(
      features: points.enumerated().map { place, point in
        let part = parts(place)
        return [part.memory * point.memory, part.arithmetic * point.arithmetic] + (hasFixed ? [1] : [])
      },
      times: points.map(\.seconds), weights: points.map(\.weight),
      least: [least.memory, least.arithmetic] + (hasFixed ? [0] : [])
    ).coefficients
    var curve = RooflineCurve(perMemory: found[0], perArithmetic: found[1])
    if hasFixed { curve.fixed = found[2] }
    curve.sharpness = exponent
    return curve
  }
}
