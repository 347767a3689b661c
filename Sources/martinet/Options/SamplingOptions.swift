import ArgumentParser
import Serving

/// How tokens are drawn. Without any of these, the most probable token is taken.
struct SamplingOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Divides logits before the softmax; 0 takes the most probable token.")
  var temperature: Float = 0

  @Option(parsing: .unconditional, help: "Draw from the k most probable tokens only; 0 for all.")
  var topK = 0

  @Option(parsing: .unconditional, help: "Draw from the most probable tokens that together reach this probability.")
  var topP: Float = 1

  @Option(parsing: .unconditional, help: "Draw from tokens at least this fraction as probable as the most probable one.")
  var minP: Float = 0

  @Option(parsing: .unconditional, help: "Makes tokens already seen less probable; 1 for no effect.")
  var repetitionPenalty: Float = 1

  @Option(parsing: .unconditional, help: "Subtracted from the logits of tokens in the output.")
  var presencePenalty: Float = 0

  @Option(parsing: .unconditional, help: "Subtracted for each time a token is in the output.")
  var frequencyPenalty: Float = 0

  @Option(parsing: .unconditional, help: "Seed of the draws; the same seed gives the same text at any number of ranks. (default: a fresh one)")
  var seed: UInt64?

  func parameters() throws -> SamplingParameters {
    var parameters = SamplingParameters()
    parameters.temperature = temperature
    parameters.topK = topK
    parameters.topP = topP
    parameters.minP = minP
    parameters.repetitionPenalty = repetitionPenalty
    parameters.presencePenalty = presencePenalty
    parameters.frequencyPenalty = frequencyPenalty
    parameters.seed = seed ?? UInt64.random(in: 0...UInt64(Int64.max))
    do { try parameters.validate() } catch { throw ValidationError("--\(error)") }
    return parameters
  }

  func validate() throws {
    guard (0...Int(Int32.max)).contains(topK) else {
      throw ValidationError("--top-k \(topK) is not between 0 and \(Int32.max)")
    }
    _ = try parameters()
  }
}
