/// When requests arrive: all at once, or at random with a mean rate.
package struct ArrivalProcess: Sendable, Equatable {
  /// Requests a second; nil sends as soon as the limit of concurrency allows.
  package var rate: Double?
  /// The shape of the gamma distribution of the times between arrivals: 1 is a Poisson process, less comes in bursts,
  /// more is closer to a fixed beat.
  package var burstiness: Double

  package init(rate: Double?, burstiness: Double = 1) { (self.rate, self.burstiness) = (rate, burstiness) }

  /// Seconds after the start, ascending; the first is 0.
  package func times(_ count: Int, seed: UInt64) -> [Double] {
    guard let rate else { return Array(repeating: 0, count: count) }
    var source = RandomSource(seed: seed)
    var time = 0.0
    return (0..<count).map { index in
      if index > 0 { time += source.gamma(shape: burstiness) / (burstiness * rate) }
      return time
    }
  }
}
