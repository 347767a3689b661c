import Foundation
import Testing
import Training

/// Numbers that change with the steps.
@Suite struct ScheduleTests {
  @Test func warmUpStableDecayHasItsThreeParts() throws {
    let rate = try Schedule.learningRate(
      peak: 1, shape: .warmupStableDecay, stepCount: 100, warmupSteps: 10, finalShare: 0.1, decayShare: 0.4,
      decay: .linear)
    #expect(rate.value(ofStep: 1) == 0.1 && rate.value(ofStep: 10) == 1)
    #expect(rate.value(ofStep: 11) == 1 && rate.value(ofStep: 60) == 1)
    #expect(abs(rate.value(ofStep: 80) - 0.55) < 1e-15 && rate.value(ofStep: 100) == 0.1)
    #expect(rate.value(ofStep: 1000) == 0.1)
  }

  @Test func cosineFollowsTheCosine() throws {
    let rate = try Schedule.learningRate(peak: 3e-4, shape: .cosine, stepCount: 1000, warmupSteps: 100, finalShare: 0.1)
    for step in 100...1000 {
      let t = Double(step - 100) / 900
      #expect(abs(rate.value(ofStep: step) / (3e-5 + 2.7e-4 * (0.5 + 0.5 * cos(.pi * t))) - 1) < 1e-14)
    }
    #expect(rate.value(ofStep: 1000) == 3e-4 * 0.1 && rate.value(ofStep: 50) == 1.5e-4)
  }

  @Test func linearAndConstantEndWhereTheyShould() throws {
    let linear = try Schedule.learningRate(peak: 2, shape: .linear, stepCount: 4, finalShare: 0)
    #expect((1...5).map { linear.value(ofStep: $0) } == [1.5, 1, 0.5, 0, 0])
    let constant = try Schedule.learningRate(peak: 2, shape: .constant, stepCount: 4, warmupSteps: 4)
    #expect((1...5).map { constant.value(ofStep: $0) } == [0.5, 1, 1.5, 2, 2])
  }

  @Test func deepSeeksOwnScheduleHasItsRates() throws {
    let rate = try Schedule.deepSeekV3()
    #expect(rate.value(ofStep: 1000) == 1.1e-4 && rate.value(ofStep: 100_000) == 2.2e-4)
    #expect(rate.value(ofStep: 230_000) == 2.2e-5 && rate.value(ofStep: 240_000) == 7.3e-6)
  }

  @Test(arguments: [0, -1e-4, .infinity, .nan, -.infinity] as [Double])
  func ratesThatTrainNothingAreRefused(rate: Double) {
    for shape in LearningRateShape.allCases {
      let text = message { _ = try Schedule.learningRate(peak: rate, shape: shape, stepCount: 10) }
      #expect(text.contains("learning rate is \(rate)") && text.contains("positive"), "\(text)")
    }
  }

  @Test func stepsAndSharesThatAreNoneAreRefused() {
    #expect(throws: TrainingError.self) { try Schedule.learningRate(peak: 1, shape: .cosine, stepCount: 0) }
    #expect(throws: TrainingError.self) { try Schedule.learningRate(peak: 1, shape: .cosine, stepCount: .max) }
    #expect(throws: TrainingError.self) {
      try Schedule.learningRate(peak: 1, shape: .cosine, stepCount: 5, warmupSteps: 6)
    }
    #expect(throws: TrainingError.self) {
      try Schedule.learningRate(peak: 1, shape: .linear, stepCount: 5, finalShare: .nan)
    }
    #expect(throws: TrainingError.self) {
      try Schedule.learningRate(peak: 1, shape: .warmupStableDecay, stepCount: 5, decayShare: 1.5)
    }
    #expect(throws: TrainingError.self) { try Schedule([], what: "x") }
    #expect(throws: TrainingError.self) { try Schedule([.init(steps: -1, from: 0, to: 1)], what: "x") }
    #expect(throws: TrainingError.self) {
      try Schedule([.init(steps: .max, from: 0, to: 1), .init(steps: 1, from: 0, to: 1)], what: "x")
    }
  }

  @Test func balancingRestsAtTheEnd() throws {
    let constant = try Schedule.balance(speed: 1e-3, stepCount: 1000, frozenShare: 0.034)
    #expect(constant.value(ofStep: 966) == 1e-3 && constant.value(ofStep: 967) == 0)
    let weight = try Schedule.predictionWeight(first: 0.3, until: 10, then: 0.1)
    #expect(weight.value(ofStep: 10) == 0.3 && weight.value(ofStep: 11) == 0.1)
  }

  @Test func batchesGrowFromTheFirstToTheLast() throws {
    let ramp = try BatchRamp(first: 8, last: 32, steps: 6, multiple: 4)
    #expect((1...8).map { ramp.sequenceCount(ofStep: $0) } == [8, 12, 16, 20, 24, 28, 32, 32])
    var position = 0
    for step in 1...20 {
      #expect(ramp.firstPosition(ofStep: step) == position)
      position += ramp.sequenceCount(ofStep: step)
    }
    let constant = try BatchRamp(constant: 32)
    #expect(constant.firstPosition(ofStep: 1001) == 32_000)
    for (first, last, steps, multiple) in [(0, 1, 1, 1), (2, 1, 1, 1), (1, 2, -1, 1), (3, 6, 1, 2), (1, 1 << 30, 1, 1)]
    {
      #expect(throws: TrainingError.self) {
        try BatchRamp(first: first, last: last, steps: steps, multiple: multiple)
      }
    }
  }
}
