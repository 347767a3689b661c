/// How many sequences each step has: one number, or one that grows from step to step up to another.
package struct BatchRamp: Sendable, Equatable {
  package let first: Int
  package let last: Int
  /// Steps until there are `last`.
  package let steps: Int
  /// Numbers of sequences are multiples of this one.
  package let multiple: Int

  private static let most = 1 << 24

  /// From `first` sequences in the first step to `last` after `steps` steps, always a multiple of `multiple`; throws
  /// where none of them can be.
  package init(first: Int, last: Int, steps: Int, multiple: Int = 1) throws(TrainingError) {
    for count in [first, last] where !(1...Self.most).contains(count) {
      throw .badOption("the number of sequences a step", "\(count)", "give a number from 1 to \(Self.most)")
    }
    guard first <= last else {
      throw .badOption("the first step", "\(first) sequences, more than the last one's \(last)", "let batches grow")
    }
    guard (0...(1 << 32)).contains(steps) else {
      throw .badOption("the growth of batches", "\(steps) steps long", "give a number from 0 to \(1 << 32)")
    }
    guard multiple >= 1, first % multiple == 0, last % multiple == 0 else {
      throw .badOption("the number that batches are multiples of", "\(multiple)", "let it divide \(first) and \(last)")
    }
    (self.first, self.last, self.steps, self.multiple) = (first, last, steps, multiple)
  }

  /// `count` sequences in every step.
  package init(constant count: Int) throws(TrainingError) { try self.init(first: count, last: count, steps: 0) }

  /// Sequences of a step, counted from 1: `first` in the first, then as many more as a straight line allows.
  package func sequenceCount(ofStep step: Int) -> Int {
    guard step <= steps else { return last }
    return first + growth(max(0, step - 1))
  }

  /// Sequences of all steps before this one: where in the order of the data it begins.
  package func firstPosition(ofStep step: Int) -> Int {
    let growing = min(max(0, step - 1), steps)
    // Steps of one size are counted at once.
    var count = growing * first
    if last > first { for earlier in 0..<growing { count += growth(earlier) } }
    return count + (max(0, step - 1) - growing) * last
  }

  /// What has been added after so many steps.
  private func growth(_ done: Int) -> Int {
    guard steps > 0 else { return 0 }
    return (last - first) / multiple * done / steps * multiple
  }
}
