import Glibc

/// Two models on the same items.
package struct PairedComparison: Sendable, Equatable {
  /// The second's share of right answers minus the first's.
  package let difference: Double
  /// Of the difference: that of the items' differences, clustered where clusters are given.
  package let standardError: Double
  /// difference ± 1.96 standard errors.
  package let interval: ClosedRange<Double>
  package let count: Int
  /// Items that only the first, and only the second, has right.
  package let onlyFirst: Int
  package let onlySecond: Int
  /// McNemar's exact test: how probable at least so uneven a split is, were both equally good.
  package let probability: Double

  /// `first`, `second`: the mean of each item, from 0 to 1, in one order. Nil for none.
  package init?(_ first: [Double], _ second: [Double], clusters: [String]? = nil) {
    guard !first.isEmpty, first.count == second.count, clusters.map({ $0.count == first.count }) ?? true else {
      return nil
    }
    let differences = zip(first, second).map { $1 - $0 }
    let mean = differences.reduce(0, +) / Double(differences.count)
    count = differences.count
    difference = mean
    standardError =
      clusters == nil
      ? Proportion.standardError(differences, mean: mean)
      : Proportion.clusteredError(
        sums: Proportion.clusterSums(differences, clusters), mean: mean, count: differences.count)
    let half = Proportion.quantile * standardError
    interval = (mean - half)...(mean + half)
    onlyFirst = differences.count { $0 < 0 }
    onlySecond = differences.count { $0 > 0 }
    probability = Self.mcNemar(onlyFirst, onlySecond)
  }

  /// The two-sided exact test of McNemar: 2 · P(at most min(b, c) of b + c fair coins), at most 1.
  package static func mcNemar(_ b: Int, _ c: Int) -> Double {
    let n = b + c
    guard n > 0 else { return 1 }
    // In logarithms: 2⁻ⁿ alone would vanish.
    var term = -Double(n) * log(2)
    var total = 0.0
    for k in 0...min(b, c) {
      total += exp(term)
      term += log(Double(n - k)) - log(Double(k + 1))
    }
    return min(1, 2 * total)
  }
}
