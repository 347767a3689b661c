/// How a model's makers would have its tokens sampled: what `generation_config.json` says of it; nil where it says
/// nothing.
package struct RecommendedSampling: Sendable, Equatable {
  /// 0 takes the most probable token, which is what `do_sample: false` means.
  package var temperature: Double?
  package var topP: Double?
  /// 0 is no limit.
  package var topK: Int?
  package var minP: Double?
  package var repetitionPenalty: Double?

  package init() {}

  /// Throws for a value that nothing can be sampled with.
  package init(_ reader: ConfigReader) throws(CheckpointError) {
    temperature = try reader.optionalDouble("temperature", in: 0...100)
    if try reader.optionalBool("do_sample") == false { temperature = 0 }
    topP = try reader.optionalDouble("top_p", in: 0...1)
    topK = try reader.optionalDouble("top_k", in: -1...Double(Int32.max)).map { max(0, Int($0)) }
    minP = try reader.optionalDouble("min_p", in: 0...1)
    repetitionPenalty = try reader.optionalDouble("repetition_penalty", in: 0.01...100)
  }

  /// Of a model, which need not recommend anything.
  package static func read(_ checkpoint: any Checkpoint) throws(CheckpointError) -> RecommendedSampling {
    try checkpoint.generationSettings().map(RecommendedSampling.init) ?? RecommendedSampling()
  }
}
