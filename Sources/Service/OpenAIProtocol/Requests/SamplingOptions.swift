/// How tokens are to be drawn: the parameters that chat and text completions share. What is created empty are the
/// OpenAI API's defaults.
package struct SamplingOptions: Sendable, Equatable {
  /// 0 … 2; 0 is the most probable token always.
  package var temperature = 1.0
  /// More than 0, at most 1.
  package var topP = 1.0
  /// At least 1; nil is no limit, which requests may write 0 or -1.
  package var topK: Int?
  /// 0 … 1.
  package var minP = 0.0
  /// −2 … 2.
  package var presencePenalty = 0.0
  /// −2 … 2.
  package var frequencyPenalty = 0.0
  /// More than 0, at most 10.
  package var repetitionPenalty = 1.0
  /// Token id to what is added to its logit, −100 … 100.
  package var logitBias: [Int: Double] = [:]
  package var seed: Int?

  package init() {}
}

/// What `stream` and `stream_options` ask for.
package struct StreamOptions: Sendable, Equatable {
  /// A last chunk without choices carries the usage.
  package var includesUsage = false
  /// Every chunk carries the usage so far.
  package var continuesUsage = false
  package init() {}
}
