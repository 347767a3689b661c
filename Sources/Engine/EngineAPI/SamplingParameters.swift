/// How a sequence's next token is drawn from its logits.
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

  /// Throws the first value outside its range.
  package func validate() throws(SamplingError) {
    func check(_ name: String, _ value: Float, _ range: ClosedRange<Float>) throws(SamplingError) {
      guard value.isFinite, range.contains(value) else {
        throw SamplingError(name: name, value: value, lower: range.lowerBound, upper: range.upperBound)
      }
    }
    try check("temperature", temperature, 0...100)
    try check("top-p", topP, 0...1)
    try check("min-p", minP, 0...1)
    try check("repetition-penalty", repetitionPenalty, 0.01...100)
    try check("presence-penalty", presencePenalty, -100...100)
    try check("frequency-penalty", frequencyPenalty, -100...100)
    guard topK >= 0, topK <= Int(Int32.max) else {
      throw SamplingError(name: "top-k", value: Float(topK), lower: 0, upper: Float(Int32.max))
    }
  }
}

/// A sampling parameter outside its range.
package struct SamplingError: Error, Equatable, CustomStringConvertible {
  package var name: String
  package var value: Float
  package var lower: Float
  package var upper: Float

  package var description: String { "\(name) \(value) is not between \(lower) and \(upper)" }
}
