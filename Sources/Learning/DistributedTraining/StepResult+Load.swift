extension StepResult {
  /// Experts that no token of the step chose, over all layers.
  package var deadExpertCount: Int { loads.values.reduce(0) { $0 + $1.count { $0 == 0 } } }
}
