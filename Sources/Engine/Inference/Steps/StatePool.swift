import EngineAPI

/// The hidden states of one prompt on their way to one vector, which depends neither on chunks nor on batch mates.
struct StatePool {
  private let pooling: Pooling
  /// Of `mean`: element by element, in ascending position.
  private var sums: [Double] = []
  private var count = 0
  private var last: [Float] = []

  init(_ pooling: Pooling) { self.pooling = pooling }

  /// Takes in the states `[rows, width]` of the next positions that were wanted.
  mutating func add(_ states: UnsafeBufferPointer<Float>, width: Int) {
    guard width > 0, states.count >= width else { return }
    switch pooling {
    case .last: last = Array(states.suffix(width))
    case .mean:
      if sums.isEmpty { sums = Array(repeating: 0, count: width) }
      for row in 0..<states.count / width {
        for i in 0..<width { sums[i] += Double(states[row * width + i]) }
        count += 1
      }
    }
  }

  /// The vector of the whole prompt.
  var vector: [Float] {
    switch pooling {
    case .last: last
    case .mean: sums.map { Float($0 / Double(max(count, 1))) }
    }
  }
}
