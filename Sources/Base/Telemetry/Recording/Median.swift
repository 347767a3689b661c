extension Sequence<Double> {
  /// Half of the numbers are less and half of them more: the middle one, or the mean of the two in the middle. Nil of
  /// none.
  package var median: Double? {
    let ordered = sorted()
    guard !ordered.isEmpty else { return nil }
    let middle = ordered.count / 2
    return ordered.count % 2 == 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2
  }
}
