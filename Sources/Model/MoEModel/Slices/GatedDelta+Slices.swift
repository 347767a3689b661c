// Where the parameters of some heads lie: of a rank that has these key heads, and of their value heads these, which are
// all of them or some of the only one's.
extension GatedDelta {
  /// Channels of the convolution: queries, keys, values.
  func channelRuns(keys: Range<Int>, values: Range<Int>) -> [Range<Int>] {
    joined([keys * keyDims, (keys * keyDims).shifted(by: keyWidth), (values * valueDims).shifted(by: 2 * keyWidth)])
  }

  /// Rows of the projections that are one matrix (`Projections`).
  func inputRows(keys: Range<Int>, values: Range<Int>) -> [Range<Int>] {
    guard projections == .fused else { return channelRuns(keys: keys, values: values) }
    let valueRows = valuesPerKey * valueDims
    return joined(
      keys.flatMap { key in
        let first = key * 2 * (keyDims + valueRows)
        let own = (values.clamped(to: (key..<(key + 1)) * valuesPerKey)).shifted(by: -key * valuesPerKey) * valueDims
        let (places, gates) = (own.shifted(by: first + 2 * keyDims), own.shifted(by: first + 2 * keyDims + valueRows))
        return [first..<(first + 2 * keyDims), places, gates]
      })
  }

  /// Rows of betas, and of decays where both are one matrix.
  func betaRows(keys: Range<Int>, values: Range<Int>) -> [Range<Int>] {
    guard projections == .fused else { return joined([values]) }
    return joined(
      keys.flatMap { key in
        let own = (values.clamped(to: (key..<(key + 1)) * valuesPerKey)).shifted(by: key * valuesPerKey)
        return [own, own.shifted(by: valuesPerKey)]
      })
  }

  /// Ranges in ascending order: those that follow each other as one, and none that are empty.
  private func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
    ranges.reduce(into: []) { all, range in
      guard !range.isEmpty else { return }
      if let last = all.last, last.upperBound == range.lowerBound {
        all[all.count - 1] = last.lowerBound..<range.upperBound
      } else {
        all.append(range)
      }
    }
  }
}

/// How ranks share out gated DeltaNet: the columns of what all heads recall, and of the output.
struct DeltaSlices {
  let values: RowSlices
  let output: RowSlices
}

extension Range<Int> {
  fileprivate func shifted(by offset: Int) -> Range<Int> { (lowerBound + offset)..<(upperBound + offset) }
}
