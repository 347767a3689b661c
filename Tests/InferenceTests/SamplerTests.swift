import EngineAPI
import Foundation
import Kernels
import Machine
import TestSupport
import Testing

@testable import Inference

struct SamplerTests {
  /// Draws one token after `prompt` and `output`.
  private func sample(
    _ logits: [Float], _ parameters: SamplingParameters, prompt: [Int32] = [0], output: [Int32] = []
  ) throws -> Int32 {
    let compute = Compute(pool: try WorkerPool(workerCount: 1))
    let sampler = Sampler(compute: compute, vocabularySize: logits.count)
    return try sampler.sample(logits, parameters, history: prompt + output, promptCount: prompt.count)
  }

  /// How often each token is drawn with `count` seeds.
  private func counts(_ logits: [Float], _ count: Int, _ parameters: SamplingParameters) throws -> [Int] {
    let sampler = Sampler(compute: Compute(pool: try WorkerPool(workerCount: 1)), vocabularySize: logits.count)
    var parameters = parameters
    var counts = [Int](repeating: 0, count: logits.count)
    for seed in 0..<count {
      parameters.seed = UInt64(seed)
      counts[Int(try sampler.sample(logits, parameters, history: [0], promptCount: 1))] += 1
    }
    return counts
  }

  /// Pearson's statistic; tokens of probability 0 must not have been drawn at all.
  private func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> Double {
    let total = Double(counts.reduce(0, +))
    let mass = probabilities.reduce(0, +)
    return zip(counts, probabilities).reduce(0) { sum, pair in
      let expected = total * pair.1 / mass
      if expected == 0 { return sum + (pair.0 == 0 ? 0 : .infinity) }
      return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
    }
  }

  private func parameters(_ change: (inout SamplingParameters) -> Void) -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.temperature = 1
    change(&parameters)
    return parameters
  }

  @Test func greedyTakesTheGreatestAndOfEqualsTheLowestID() throws {
    #expect(try sample([1, 3, 2, 3], SamplingParameters()) == 1)
    #expect(try sample([-1, -0.0, 0, -2], SamplingParameters()) == 1)
    #expect(try sample([Float](repeating: -5, count: 100), SamplingParameters()) == 0)
    #expect(try sample([-.infinity, -1e30, -.infinity], SamplingParameters()) == 1)
    #expect(try sample([7], SamplingParameters()) == 0)
  }

  @Test func filtersThatLeaveOneTokenAreGreedy() throws {
    var generator = SeededGenerator(1)
    for seed in 0..<200 as Range<UInt64> {
      let logits = (0..<50).map { _ in Float(Int.random(in: -4...4, using: &generator)) }
      let greedy = try sample(logits, SamplingParameters())
      for change in [{ $0.topK = 1 }, { $0.topP = 0 }, { $0.temperature = 1e-30 }]
        as [(inout SamplingParameters) -> Void]
      {
        var parameters = parameters(change)
        parameters.seed = seed
        let token = try sample(logits, parameters)
        // Equals share what a tiny temperature leaves; the other filters keep the lowest id.
        #expect(parameters.temperature < 1 ? logits[Int(token)] == logits[Int(greedy)] : token == greedy)
      }
    }
  }

  /// Probabilities 0.1, 0.4, 0.2, 0.3: the filter, and the tokens that must be left.
  static let filters: [(String, Set<Int>, @Sendable (inout SamplingParameters) -> Void)] = [
    ("none", [0, 1, 2, 3], { _ in }), ("top-k 2", [1, 3], { $0.topK = 2 }), ("top-k 4", [0, 1, 2, 3], { $0.topK = 4 }),
    ("top-k 400", [0, 1, 2, 3], { $0.topK = 400 }), ("top-p 0.39", [1], { $0.topP = 0.39 }),
    ("top-p 0.41", [1, 3], { $0.topP = 0.41 }), ("top-p 0.69", [1, 3], { $0.topP = 0.69 }),
    ("top-p 0.71", [1, 2, 3], { $0.topP = 0.71 }), ("top-p 0.91", [0, 1, 2, 3], { $0.topP = 0.91 }),
    ("min-p 0.8", [1], { $0.minP = 0.8 }), ("min-p 0.7", [1, 3], { $0.minP = 0.7 }),
    ("min-p 0.45", [1, 2, 3], { $0.minP = 0.45 }),
    ("min-p 1", [1], { $0.minP = 1 }), ("min-p 0.2", [0, 1, 2, 3], { $0.minP = 0.2 }),
    // Top-p is a share of what top-k leaves: 0.7 · 0.9 = 0.63 < 0.7.
    (
      "top-k 3, top-p 0.7", [1, 3],
      {
        $0.topK = 3
        $0.topP = 0.7
      }
    ),
    (
      "top-p 0.95, min-p 0.6", [1, 3],
      {
        $0.topP = 0.95
        $0.minP = 0.6
      }
    ),
    (
      "top-k 2, min-p 0.1", [1, 3],
      {
        $0.topK = 2
        $0.minP = 0.1
      }
    ),
  ]

  @Test(arguments: filters.indices)
  func filtersKeepExactlyTheirTokensInProportion(index: Int) throws {
    let (name, kept, change) = Self.filters[index]
    let probabilities = [0.1, 0.4, 0.2, 0.3]
    let found = try counts(probabilities.map { Float(log($0)) }, 4000, parameters(change))
    let expected = probabilities.indices.map { kept.contains($0) ? probabilities[$0] : 0 }
    // Three degrees of freedom: 30 is passed once in a million.
    #expect(chiSquare(found, expected) < 30, "\(name): \(found)")
  }

  @Test(arguments: [0.25, 1, 3] as [Float])
  func drawsFollowTheSoftmaxOfTheLogits(temperature: Float) throws {
    let logits: [Float] = [0, 1.5, -2, 0.5, 1.5, -30, .leastNonzeroMagnitude, -.infinity]
    let found = try counts(logits, 20_000, parameters { $0.temperature = temperature })
    // Seven degrees of freedom: 45 is passed less than once in a million.
    #expect(chiSquare(found, logits.map { exp(Double($0) / Double(temperature)) }) < 45, "\(found)")
  }

  @Test func repetitionPenaltyPullsTokensOfPromptAndOutputTowardsUnlikely() throws {
    var parameters = SamplingParameters()
    parameters.repetitionPenalty = 2
    #expect(try sample([2, 1.5, -1], parameters, prompt: [2]) == 0)
    #expect(try sample([2, 1.5, -1], parameters, prompt: [0]) == 1)
    #expect(
      try sample([2, 1.5, -1], parameters, prompt: [2], output: [0, 0, 0]) == 1, "once, however often it is there")
    #expect(try sample([-2, -1.5, -9], parameters, prompt: [1]) == 0, "negative logits grow")
  }

  @Test func presenceAndFrequencyPenaltiesConcernTheOutputOnly() throws {
    var presence = SamplingParameters()
    presence.presencePenalty = 1
    #expect(try sample([2, 1.5], presence, prompt: [0, 0, 0]) == 0)
    #expect(try sample([2, 1.5], presence, prompt: [0], output: [0]) == 1)
    #expect(try sample([3, 1.5], presence, prompt: [0], output: [0, 0, 0]) == 0, "once, however often it is there")
    var frequency = SamplingParameters()
    frequency.frequencyPenalty = 0.4
    #expect(try sample([2, 1], frequency, prompt: [0, 0, 0, 0], output: [0, 0]) == 0)
    #expect(try sample([2, 1], frequency, prompt: [1], output: [0, 0, 0]) == 1)
  }

  @Test func uniformNumbersAreUniformAndDependOnSeedAndDraw() {
    var bins = [Int](repeating: 0, count: 16)
    var seen: Set<Double> = []
    for seed in [0, 1, 2, 42, 1 << 63, 0x0123_4567_89ab_cdef] as [UInt64] {
      for draw in 0..<2000 as Range<UInt64> {
        let number = Sampler.uniform(seed: seed, draw: draw)
        #expect((0..<1).contains(number))
        #expect(number == Sampler.uniform(seed: seed, draw: draw))
        bins[Int(number * 16)] += 1
        seen.insert(number)
      }
    }
    #expect(seen.count >= 11_999)
    // Fifteen degrees of freedom: 60 is passed less than once in a million.
    #expect(chiSquare(bins, [Double](repeating: 1, count: 16)) < 60, "\(bins)")
    #expect((0..<2000 as Range<UInt64>).allSatisfy { Sampler.uniform(seed: .max, draw: .max - $0) < 1 })
  }

  @Test(arguments: [Float.nan, -.nan, .infinity])
  func logitsThatAreNotFiniteAreAnErrorThatNamesThePosition(value: Float) throws {
    for place in [0, 17, 39] {
      var logits = [Float](repeating: 1, count: 40)
      logits[place] = value
      for temperature in [0, 1] as [Float] {
        #expect(throws: InferenceError.logitsNotFinite(position: 4)) {
          try sample(logits, parameters { $0.temperature = temperature }, prompt: [1, 2, 3], output: [4, 5])
        }
      }
    }
    #expect(throws: InferenceError.logitsNotFinite(position: 0)) {
      try sample([Float](repeating: -.infinity, count: 8), SamplingParameters())
    }
  }

  @Test func logprobsAreThoseOfTheSoftmaxGreatestFirst() throws {
    let logits: [Float] = [0, 2, -1, 2, 0.5]
    let sampler = Sampler(compute: Compute(pool: try WorkerPool(workerCount: 1)), vocabularySize: 5)
    let (next, top) = try sampler.logprobs(logits, next: 2, topCount: 99, position: 0)
    let normalizer = log(logits.reduce(0) { $0 + exp(Double($1)) })
    #expect(top.map(\.token) == [1, 3, 4, 0, 2])
    for candidate in top {
      #expect(abs(Double(candidate.logprob) - (Double(logits[Int(candidate.token)]) - normalizer)) < 1e-6)
    }
    #expect(next == top[4].logprob)
    #expect(try sampler.logprobs(logits, next: nil, topCount: 0, position: 0).next.isNaN)
  }

  @Test func parametersOutsideTheirRangeAreErrorsThatNameThem() {
    let cases: [(String, (inout SamplingParameters) -> Void)] = [
      ("temperature", { $0.temperature = -1 }), ("temperature", { $0.temperature = .nan }),
      ("temperature", { $0.temperature = .infinity }), ("top-p", { $0.topP = 1.1 }), ("top-p", { $0.topP = -0.1 }),
      ("min-p", { $0.minP = 2 }), ("top-k", { $0.topK = -1 }), ("top-k", { $0.topK = .max }),
      ("repetition-penalty", { $0.repetitionPenalty = 0 }), ("presence-penalty", { $0.presencePenalty = .infinity }),
      ("frequency-penalty", { $0.frequencyPenalty = -101 }),
    ]
    for (name, change) in cases {
      #expect { try parameters(change).validate() } throws: { "\($0)".hasPrefix("\(name) ") }
    }
    #expect(throws: Never.self) { try SamplingParameters().validate() }
  }
}
