/// What an engine serves, known once its model is.
package struct EngineFacts: Sendable, Equatable {
  /// The family in `config.json`: `deepseek_v3`, …
  package var family = ""
  package var layerCount = 0
  package var hiddenSize = 0
  package var expertCount = 0
  package var expertsPerToken = 0
  package var vocabularySize = 0
  /// Most tokens of a sequence, prompt and output together.
  package var maximumPositions = 0
  package var rankCount = 0
  package var threadsPerRank = 0
  package var instructionSet = ""
  /// Tokens of attention cache on each rank: a longer sequence than this cannot be served.
  package var cacheTokens = 0
  /// Most sequences in progress at once.
  package var sequences = 0
  /// Most tokens a rank feeds in a step.
  package var batchTokens = 0
  /// Whether experts may change places while it serves.
  package var movesExperts = false

  package init() {}
}
