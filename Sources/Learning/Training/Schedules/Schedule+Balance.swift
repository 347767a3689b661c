extension Schedule {
  /// By how much a step moves the router's selection bias: `speed` in the first steps and 0 in the last part
  /// `frozenShare` of them (DeepSeek-V3, section 4.2: 0.001, and 0 for the last 500 B of 14.8 T tokens).
  package static func balance(
    speed: Double, stepCount: Int, frozenShare: Double
  ) throws(TrainingError) -> Schedule {
    let moving = try movingSteps(stepCount, frozenShare)
    return try Schedule(
      [Stretch(steps: moving, from: speed, to: speed), Stretch(steps: stepCount - moving, from: 0, to: 0)],
      what: "the speed of balancing")
  }

  /// The same for short trainings, which a constant speed leaves too little time: `floor + speed · (1 − t)²` at the
  /// part `t` of the training, until the last part `frozenShare`.
  package static func decayingBalance(
    speed: Double, floor: Double, stepCount: Int, frozenShare: Double
  ) throws(TrainingError) -> Schedule {
    let what = "the speed of balancing"
    let moving = try movingSteps(stepCount, frozenShare)
    // The parabola goes on to the training's end; what is frozen cuts it off.
    let falling = try Schedule(
      [Stretch(steps: stepCount, from: speed + floor, to: floor, form: .square)], what: what)
    guard moving < stepCount else { return falling }
    return Schedule(falling, until: moving)
  }

  /// The weight of the multi-token prediction loss: one until `steps`, another after them (DeepSeek-V3: 0.3, then 0.1).
  package static func predictionWeight(
    first: Double, until steps: Int, then last: Double
  ) throws(TrainingError) -> Schedule {
    try Schedule(
      [Stretch(steps: steps, from: first, to: first), Stretch(steps: 0, from: last, to: last)],
      what: "the weight of multi-token prediction")
  }

  private static func movingSteps(_ stepCount: Int, _ frozenShare: Double) throws(TrainingError) -> Int {
    try check(stepCount: stepCount)
    guard frozenShare >= 0, frozenShare <= 1 else {
      throw .badOption(
        "the part of the training in which balancing rests", "\(frozenShare)", "give a number from 0 to 1")
    }
    return stepCount - Int((Double(stepCount) * frozenShare).rounded())
  }
}
