/// Mean, percentiles and maximum of some samples; all NaN where there are none.
package struct SampleSummary: Sendable, Equatable {
  package let count: Int
  package let mean: Double
  package let median: Double
  package let p90: Double
  package let p99: Double
  package let maximum: Double

  /// The samples in any order; what is made of them is in their unit.
  package init(_ samples: [Double]) {
    let sorted = samples.sorted()
    count = sorted.count
    mean = sorted.isEmpty ? .nan : sorted.reduce(0, +) / Double(sorted.count)
    median = Self.quantile(0.5, of: sorted)
    p90 = Self.quantile(0.9, of: sorted)
    p99 = Self.quantile(0.99, of: sorted)
    maximum = sorted.last ?? .nan
  }

  /// Of ascending samples: linear between the two nearest, the least being at 0 and the greatest at 1 (Hyndman and
  /// Fan's definition 7, which NumPy uses too).
  static func quantile(_ part: Double, of sorted: [Double]) -> Double {
    guard let last = sorted.indices.last else { return .nan }
    let place = part * Double(last)
    let lower = min(Int(place), last)
    let upper = min(lower + 1, last)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
  }
}
