import Training

/// What is done about steps whose loss or gradient is no number, or far above what it was.
package struct BadStepPolicy: Sendable, Equatable {
  package enum Action: String, Sendable, CaseIterable {
    /// The training ends, with the step's sequence, layer and tensor.
    case stop
    /// The step changes nothing but the place in the data and the count of steps.
    case skip
  }

  package var action = Action.stop
  /// Steps skipped in a row at most: with one more the training ends.
  package var mostInRow = 10
  /// A loss or gradient that is more than so many times the median of the last steps is a spike; 0 for none.
  package var spikeFactor = 0.0

  package init() {}

  /// Throws for numbers that no training can have.
  package func check() throws(TrainingError) {
    guard mostInRow >= 1 else {
      throw .badOption("the number of steps that may be skipped in a row", "\(mostInRow)", "give at least 1")
    }
    guard spikeFactor == 0 || spikeFactor > 1 && spikeFactor.isFinite else {
      throw .badOption("the factor of a spike", "\(spikeFactor)", "give a number above 1, such as 3, or 0 for none")
    }
  }
}
