/// A share of right answers, and how sure one may be of it.
package struct Proportion: Sendable, Equatable {
  package let mean: Double
  /// Of the mean, with the clusters given.
  package let standardError: Double
  /// Wilson's interval of 95 %.
  package let interval: ClosedRange<Double>
  package let count: Int
  package let clusterCount: Int

  /// The 97.5 % point of the normal distribution.
  package static let quantile = 1.959963984540054

  /// `values`: 1 for right, 0 for not. `clusters`: whose members are no independent trials, such as prompts of one
  /// claim; nil where all are. Nil for no values.
  ///
  /// With clusters the interval is Wilson's for as many independent trials as would have this standard error, at most
  /// `count`.
  package init?(_ values: [Double], clusters: [String]? = nil) {
    guard !values.isEmpty, clusters.map({ $0.count == values.count }) ?? true else { return nil }
    count = values.count
    mean = values.reduce(0, +) / Double(values.count)
    let isClustered = clusters != nil
    let sums = Self.clusterSums(values, clusters)
    clusterCount = sums.count
    standardError =
      isClustered
      ? Self.clusteredError(sums: sums, mean: mean, count: values.count)
      : Self.standardError(values, mean: mean)
    var trials = Double(count)
    if isClustered {
      let variance = standardError * standardError
      trials = variance > 0 ? min(trials, mean * (1 - mean) / variance) : Double(clusterCount)
    }
    interval = Self.wilson(mean, trials: max(trials, 1))
  }

  /// Of `right` among `count` independent trials; of none, where nothing is known.
  package init(_ right: Int, of count: Int) {
    self.count = max(0, count)
    clusterCount = self.count
    mean = count > 0 ? Double(right) / Double(count) : 0
    let spread = mean * (1 - mean) / Double(max(1, count - 1))
    standardError = count > 1 ? spread.squareRoot() : 0
    interval = count > 0 ? Self.wilson(mean, trials: Double(count)) : 0...1
  }

  /// Wilson's score interval (E. B. Wilson, 1927) for a share `p`, from 0 to 1, of `n` trials.
  package static func wilson(_ p: Double, trials n: Double) -> ClosedRange<Double> {
    let z = quantile
    let scale = 1 + z * z / n
    let center = (p + z * z / (2 * n)) / scale
    let half = z / scale * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    return max(0, center - half)...min(1, center + half)
  }

  /// The standard error of the mean of `values`: sd / √n, with n − 1 in the deviation; 0 for one value.
  package static func standardError(_ values: [Double], mean: Double) -> Double {
    guard values.count > 1 else { return 0 }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
  }

  /// √(Σ over clusters of (Σ of its deviations)²) / n (Miller, arXiv 2411.00640, equation 4).
  static func clusteredError(sums: [(sum: Double, count: Int)], mean: Double, count: Int) -> Double {
    let squares = sums.reduce(0) { total, cluster in
      let deviation = cluster.sum - mean * Double(cluster.count)
      return total + deviation * deviation
    }
    return squares.squareRoot() / Double(count)
  }

  /// Each cluster's sum, in the order in which clusters first come.
  static func clusterSums(_ values: [Double], _ clusters: [String]?) -> [(sum: Double, count: Int)] {
    guard let clusters else { return values.map { ($0, 1) } }
    var places: [String: Int] = [:]
    var sums: [(sum: Double, count: Int)] = []
    for (value, cluster) in zip(values, clusters) {
      let place = places[cluster] ?? sums.count
      if place == sums.count {
        places[cluster] = place
        sums.append((0, 0))
      }
      sums[place].sum += value
      sums[place].count += 1
    }
    return sums
  }
}
