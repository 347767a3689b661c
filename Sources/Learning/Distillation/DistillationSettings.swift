import Bytes
import Gradients
import JSON

/// All that decides about the numbers of learning from a teacher, beside what every training has.
package struct DistillationSettings: Sendable {
  /// What is learnt from.
  package enum Material: Sendable, Equatable {
    /// Text that there is: the teacher says what follows each of its tokens.
    case text
    /// Completions of prompts that the student samples, or the teacher.
    case samples(Samples)
  }

  package struct Samples: Sendable, Equatable {
    /// Each with one completion.
    package var promptsPerStep = 64
    package var maxNewTokens = 256
    /// The part of the completions that the student samples (GKD's λ); the teacher samples the others.
    package var ownShare = 1.0
    /// Divides logits where completions are sampled.
    package var temperature = 1.0

    package init() {}

    /// The student's own completions among those of step `number`, which counts from 1: over all steps so far the
    /// nearest number below their share.
    package func ownCount(ofStep number: Int) -> Int { ownBefore(number) - ownBefore(number - 1) }

    private func ownBefore(_ steps: Int) -> Int {
      // A little more, as 0.7 · 10 is less than 7.
      Int((Double(steps) * Double(promptsPerStep) * ownShare * (1 + 1e-12)).rounded(.down))
    }

    /// The most that the student, or the teacher, samples in a step.
    var mostOwn: Int { ownShare > 0 ? min(promptsPerStep, Int(Double(promptsPerStep) * ownShare) + 1) : 0 }
    var mostOfTeacher: Int { ownShare < 1 ? min(promptsPerStep, Int(Double(promptsPerStep) * (1 - ownShare)) + 1) : 0 }

    /// Leaves of a step: parts of about as many rows, of a number that never changes.
    package var leafCount: Int { min(promptsPerStep, 64) }

    var json: JSONValue {
      [
        "prompts_per_step": .int(promptsPerStep), "max_new_tokens": .int(maxNewTokens), "own_share": .double(ownShare),
        "temperature": .double(temperature),
      ]
    }
  }

  package var material: Material
  /// β: from 0, KL(teacher ‖ student), to 1, KL(student ‖ teacher).
  package var beta: Double
  /// Divides both models' logits where they are compared.
  package var lossTemperature = 1.0

  package init(_ material: Material, beta: Double) { (self.material, self.beta) = (material, beta) }

  package var divergence: Divergence { Divergence(beta: beta, temperature: Float(lossTemperature)) }

  /// Throws for numbers that no training can have.
  package func check() throws(DistillationError) {
    try Self.check("--divergence", beta, 0...1)
    try Self.check("--loss-temperature", lossTemperature, 0.01...100)
    guard case .samples(let samples) = material else { return }
    try Self.check("--own-share", samples.ownShare, 0...1)
    try Self.check("--temperature", samples.temperature, 0.01...100)
    for (what, value) in [("--prompts-per-step", samples.promptsPerStep), ("--max-new-tokens", samples.maxNewTokens)]
    where !(1...1_000_000).contains(value) {
      throw .badOption("\(what) is \(value): give a number between 1 and 1000000")
    }
  }

  private static func check(_ what: String, _ value: Double, _ range: ClosedRange<Double>) throws(DistillationError) {
    guard range.contains(value) else {
      throw .badOption("\(what) is \(value): give a number between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  /// What decides about the training's numbers; `teacher`: the digest of its files' headers, in bytes.
  package func json(teacher: [UInt8]) -> JSONValue {
    var members = JSONObject([
      ("teacher", .string(Digits.hexadecimal(teacher))), ("divergence", .double(beta)),
      ("loss_temperature", .double(lossTemperature)),
    ])
    if case .samples(let samples) = material { members["samples"] = samples.json }
    return .object(members)
  }
}
