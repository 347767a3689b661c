/// The shape of a learning rate over a training, as users name it.
package enum LearningRateShape: String, Sendable, CaseIterable {
  case constant, linear, cosine
  /// Warm-up, stable, decay: the rate stays until the last part of the training, and falls there.
  case warmupStableDecay = "wsd"
}

extension Schedule {
  /// A learning rate that rises linearly over `warmupSteps` (step 1 has the first part of it already), and then follows
  /// `shape` down to `peak · finalShare` at `stepCount`.
  ///
  /// `decayShare`: the part of the training in which `wsd` falls, in the form `decay`. Throws for a rate of zero, below
  /// or beyond all bounds, and for shares that are none.
  package static func learningRate(
    peak: Double, shape: LearningRateShape, stepCount: Int, warmupSteps: Int = 0, finalShare: Double = 0.1,
    decayShare: Double = 0.5, decay: Form = .cosine
  ) throws(TrainingError) -> Schedule {
    let what = "the learning rate"
    guard peak > 0, peak.isFinite else { throw .badOption(what, "\(peak)", "give a positive number, such as 3e-4") }
    try check(stepCount: stepCount)
    guard (0...stepCount).contains(warmupSteps) else {
      throw .badOption(
        "the warm-up", "\(warmupSteps) steps long", "give from 0 to \(stepCount) steps, all that the training has")
    }
    guard finalShare >= 0, finalShare <= 1 else {
      throw .badOption("the final part of the learning rate", "\(finalShare)", "give a number from 0 to 1")
    }
    guard decayShare >= 0, decayShare <= 1 else {
      throw .badOption(
        "the part of the training in which the rate decays", "\(decayShare)", "give a number from 0 to 1")
    }
    let rest = stepCount - warmupSteps
    let (last, warmup) = (peak * finalShare, Stretch(steps: warmupSteps, from: 0, to: peak))
    switch shape {
    case .constant: return try Schedule([warmup, Stretch(steps: rest, from: peak, to: peak)], what: what)
    case .linear: return try Schedule([warmup, Stretch(steps: rest, from: peak, to: last)], what: what)
    case .cosine: return try Schedule([warmup, Stretch(steps: rest, from: peak, to: last, form: .cosine)], what: what)
    case .warmupStableDecay:
      let falling = min(rest, Int((Double(stepCount) * decayShare).rounded()))
      return try Schedule(
        [
          warmup, Stretch(steps: rest - falling, from: peak, to: peak),
          Stretch(steps: falling, from: peak, to: last, form: decay),
        ], what: what)
    }
  }

  /// DeepSeek-V3's own (section 4.2), of steps of 15 360 sequences of 4 096 tokens: 2 000 steps up to 2.2e-4, constant
  /// to 10 T tokens, a cosine to 2.2e-5 over 4.3 T, constant for 333 B, and 7.3e-6 for the last 167 B.
  package static func deepSeekV3() throws(TrainingError) -> Schedule {
    func steps(_ billionTokens: Double) -> Int { Int((billionTokens * 1e9 / (15_360 * 4096)).rounded()) }
    return try Schedule(
      [
        Stretch(steps: 2000, from: 0, to: 2.2e-4), Stretch(steps: steps(10_000) - 2000, from: 2.2e-4, to: 2.2e-4),
        Stretch(steps: steps(4300), from: 2.2e-4, to: 2.2e-5, form: .cosine),
        Stretch(steps: steps(333), from: 2.2e-5, to: 2.2e-5), Stretch(steps: steps(167), from: 7.3e-6, to: 7.3e-6),
      ], what: "the learning rate")
  }
}
