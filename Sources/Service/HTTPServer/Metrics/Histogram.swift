/// Counts of values up to each of some bounds.
struct Histogram: Sendable {
  /// Ascending; what is larger than the last counts beyond them all.
  let bounds: [Double]
  private(set) var counts: [Int]
  private(set) var sum = 0.0

  init(bounds: [Double]) { (self.bounds, counts) = (bounds, Array(repeating: 0, count: bounds.count + 1)) }

  mutating func record(_ value: Double) {
    counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    sum += value
  }
}

extension Histogram {
  /// Seconds until a request's first token.
  static var firstToken: Histogram {
    Histogram(bounds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100])
  }
  /// Seconds that a sequence waits in the engine's queue.
  static var queueTime: Histogram {
    Histogram(bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100])
  }
  /// Seconds between two tokens of a sequence.
  static var interToken: Histogram {
    Histogram(bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5])
  }
  /// Seconds of a request from its arrival to its last token.
  static var wholeRequest: Histogram {
    Histogram(bounds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000])
  }
}
