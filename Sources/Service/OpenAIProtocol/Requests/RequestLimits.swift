/// What a request may ask for at most.
package struct RequestLimits: Sendable, Equatable {
  package var byteCount = 32 << 20
  /// Levels of JSON in a body; those of a tool's schema count too.
  package var depth = 64
  package var messageCount = 100_000
  package var promptCount = 2048
  /// `n`.
  package var choiceCount = 128
  package var stopCount = 16
  package var stopByteCount = 4096
  package var stopTokenCount = 1024
  package var topLogprobCount = 20
  package var toolCount = 512
  package var logitBiasCount = 4096
  /// Token ids must be less; nil where the vocabulary is not known.
  package var vocabularySize: Int?

  package init() {}
}
