import Foundation
import MoEModel
import Testing

/// Frequencies of published models, computed apart from this code with the papers' formulas.
struct RotaryDescriptionTests {
  private func frequencies(_ dims: Int, _ base: Double, _ scaling: RotaryDescription.Scaling) throws -> [Float] {
    let text: String
    switch scaling {
    case .none: text = "null"
    case .linear(let factor): text = #"{"rope_type": "linear", "factor": \#(factor)}"#
    case .yarn(let factor, let original, let fast, let slow, let truncates):
      text = """
        {"type": "yarn", "factor": \(factor), "original_max_position_embeddings": \(original), "beta_fast": \(fast),
         "beta_slow": \(slow), "truncate": \(truncates)}
        """
    case .llama3(let factor, let low, let high, let original):
      text = """
        {"rope_type": "llama3", "factor": \(factor), "low_freq_factor": \(low), "high_freq_factor": \(high),
         "original_max_position_embeddings": \(original)}
        """
    }
    let description = try Configuration(
      #"""
      {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "vocab_size": 4, "num_attention_heads": 1,
       "head_dim": \#(dims), "max_position_embeddings": 131072, "intermediate_size": 8, "rope_theta": \#(base),
       "rope_scaling": \#(text)}
      """#
    ).read()
    #expect(description.rotary.scaling == scaling)
    return description.rotary.inverseFrequencies
  }

  private func expect(_ found: [Float], _ expected: [Int: Double]) {
    for (pair, value) in expected {
      #expect(abs(Double(found[pair]) / value - 1) < 1e-6, "pair \(pair): \(found[pair]), not \(value)")
    }
  }

  @Test func plainFrequenciesFallGeometrically() throws {
    let found = try frequencies(8, 10_000, .none)
    #expect(found.count == 4)
    expect(found, [0: 1, 1: 0.1, 2: 0.01, 3: 0.001])
    expect(try frequencies(8, 10_000, .linear(factor: 4)), [0: 0.25, 1: 0.025, 2: 0.0025, 3: 0.00025])
  }

  @Test func yarnBlendsDeepSeekV3sFrequenciesBetweenPairs10And23() throws {
    let found = try frequencies(
      64, 10_000, .yarn(factor: 40, originalPositions: 4096, betaFast: 32, betaSlow: 1, truncates: true))
    expect(
      found,
      [
        0: 1, 10: 0.05623413251903491, 11: 0.03900692656714386, 16: 0.0055, 22: 0.0001778279410038922,
        23: 3.33380358040831e-05, 31: 3.3338035804083097e-06,
      ])
  }

  @Test func yarnWithoutTruncationBlendsGPTOSSsFrequenciesFromFractionalBounds() throws {
    let found = try frequencies(
      64, 150_000, .yarn(factor: 32, originalPositions: 4096, betaFast: 32, betaSlow: 1, truncates: false))
    expect(
      found,
      [
        0: 1, 8: 0.050813274815461475, 9: 0.03170569618466377, 13: 0.0038603593171920685, 17: 0.0001293187012450632,
        18: 3.8308812373753384e-05, 31: 3.0235114281192144e-07,
      ])
  }

  @Test func llama3ScalesByWavelength() throws {
    let found = try frequencies(128, 500_000, .llama3(factor: 8, lowFactor: 1, highFactor: 4, originalPositions: 8192))
    expect(
      found,
      [
        0: 1, 28: 0.003211445994752591, 29: 0.002166570763503359, 32: 0.0005248461609929547, 34: 0.0001785078127679964,
        35: 9.556212353964683e-05, 36: 7.78465527393245e-05, 63: 3.068925988914511e-07,
      ])
  }

  @Test func yarnMagnitudesAreThePapers() {
    #expect(abs(RotaryDescription.yarnMagnitude(factor: 40) - 1.3688879454113936) < 1e-12)
    #expect(abs(RotaryDescription.yarnMagnitude(factor: 40, mscale: 0.707) - 1.2608037774058553) < 1e-12)
    #expect(RotaryDescription.yarnMagnitude(factor: 1) == 1)
    #expect(RotaryDescription.yarnMagnitude(factor: 0.5) == 1)
  }

  @Test func extremeButAcceptedParametersGiveFiniteFrequencies() throws {
    for scaling in [
      .yarn(factor: 1e6, originalPositions: 1, betaFast: 1, betaSlow: 1e6, truncates: true),
      .yarn(factor: 1e-3, originalPositions: 1 << 26, betaFast: 1e6, betaSlow: 1e-300, truncates: false),
      .llama3(factor: 1e-3, lowFactor: 1e-3, highFactor: 1e6, originalPositions: 1 << 26), .linear(factor: 1e-3),
    ] as [RotaryDescription.Scaling] {
      for base in [1.0001, 1e12] {
        #expect(try frequencies(64, base, scaling).allSatisfy { $0.isFinite && $0 >= 0 }, "\(scaling), base \(base)")
      }
    }
  }
}
