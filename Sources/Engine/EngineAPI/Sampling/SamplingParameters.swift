/// How a sequence's next token is sampled from its logits, as the sampler reads it.
///
/// A parameter is a property here and its row in the table below; the sampler, and its line among the command's flags,
/// are the two other places that know it. APIs, the lines between supervisor and job, messages between ranks, checks
/// and the model's recommendation walk the table.
package struct SamplingParameters: Sendable, Equatable {
  /// 0 takes the most probable token.
  package var temperature: Float = 0
  /// Keep the k most probable tokens; 0 keeps all.
  package var topK: Int = 0
  /// Keep the most probable tokens that together reach this probability.
  package var topP: Float = 1
  /// Keep tokens at least this fraction as probable as the most probable one.
  package var minP: Float = 0
  /// Divides positive and multiplies negative logits of tokens seen in prompt or output.
  package var repetitionPenalty: Float = 1
  /// Subtracted from the logits of tokens in the output.
  package var presencePenalty: Float = 0
  /// Subtracted from a token's logit for each time it is in the output.
  package var frequencyPenalty: Float = 0
  package var seed: UInt64 = 0

  package init() {}

  package var hasPenalties: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }
}

extension SamplingParameter {
  package static let temperature = SamplingParameter(
    "temperature", .number(\.temperature), in: 0...100, asked: .init(0...2), recommended: 0...100, neutral: 1,
    help: "Divides logits before the softmax", note: "0 takes the most probable token", unit: "t")
  package static let topP = SamplingParameter(
    "top_p", .number(\.topP), in: 0...1, asked: .init(0...1, excludesLower: true), recommended: 0...1, neutral: 1,
    help: "Sample from the most probable tokens that together reach this probability", unit: "p")
  // 0 and -1 are no limit.
  package static let topK = SamplingParameter(
    "top_k", .count(\.topK), in: 0...Double(Int32.max), asked: .init(-1...Double.infinity),
    recommended: -1...Double(Int32.max), neutral: 0, help: "Sample from the k most probable tokens only",
    note: "0 for all", unit: "k")
  package static let minP = SamplingParameter(
    "min_p", .number(\.minP), in: 0...1, asked: .init(0...1), recommended: 0...1, neutral: 0,
    help: "Sample from tokens at least this fraction as probable as the most probable one", unit: "p")
  package static let repetitionPenalty = SamplingParameter(
    "repetition_penalty", .number(\.repetitionPenalty), in: 0.01...100, asked: .init(0...10, excludesLower: true),
    recommended: 0.01...100, neutral: 1, changesLogits: true, help: "Makes tokens already seen less probable",
    note: "1 for no effect",
    unit: "x")
  package static let presencePenalty = SamplingParameter(
    "presence_penalty", .number(\.presencePenalty), in: -100...100, asked: .init(-2...2), neutral: 0,
    changesLogits: true,
    help: "Subtracted from the logits of tokens in the output", unit: "x")
  package static let frequencyPenalty = SamplingParameter(
    "frequency_penalty", .number(\.frequencyPenalty), in: -100...100, asked: .init(-2...2), neutral: 0,
    changesLogits: true,
    help: "Subtracted for each time a token is in the output", unit: "x")

  /// The table, in the order in which requests are read and messages are written.
  package static let all = [
    temperature, topP, topK, minP, repetitionPenalty, presencePenalty, frequencyPenalty,
  ]
}
