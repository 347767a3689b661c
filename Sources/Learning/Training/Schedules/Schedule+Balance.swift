extension Schedule {
  /// By how much a step moves the router's selection bias: `speed` in the first steps and 0 in the last part
  /// `frozenShare` of them (DeepSeek-V3, section 4.2: 0.001, and 0 for the last 500 B of 14.8 T tokens).
  package static func balance(speed: Double, stepCount: Int, frozenShare: Double) throws(TrainingError) -> Schedule {
    try check(stepCount: stepCount)
    guard frozenShare >= 0, frozenShare <= 1 else {
      throw .badOption(
        "the part of the training in which balancing rests", "\(frozenShare)", "give a number from 0 to 1")
    }
    let moving = stepCount - Int((Double(stepCount) * frozenShare).rounded())
    return try Schedule(
      [Stretch(steps: moving, from: speed, to: speed), Stretch(steps: stepCount - moving, from: 0, to: 0)],
      what: "the speed of balancing")
  }

  /// The weight of the multi-token prediction loss: one until `steps`, another after them (DeepSeek-V3: 0.3, then 0.1).
  package static func predictionWeight(
    first: Double, until steps: Int, then last: Double
  ) throws(TrainingError) -> Schedule {
    try Schedule(
      [Stretch(steps: steps, from: first, to: first), Stretch(steps: 0, from: last, to: last)],
      what: "the weight of multi-token prediction")
  }
}
