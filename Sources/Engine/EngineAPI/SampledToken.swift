/// A token, and its log-probability where that was asked for.
package struct Candidate: Sendable, Equatable {
  package var token: Int32
  package var logprob: Float
  package init(token: Int32, logprob: Float) { (self.token, self.logprob) = (token, logprob) }
}

/// What is to be told of each token that is sampled.
package struct TokenDetails: Sendable, Equatable {
  /// Most log-probabilities to be told with a token.
  package static let topLogprobsLimit = 1000

  /// Its log-probability, and this many of the most probable tokens; nil for none.
  package var topLogprobs: Int?

  package init(topLogprobs: Int? = nil) { self.topLogprobs = topLogprobs }

  /// All of it, in the order of messages.
  @inlinable
  package mutating func visit<Visitor: TokenFieldVisitor>(_ visitor: inout Visitor) throws(Visitor.Failure) {
    try visitor.count("top_logprobs", &topLogprobs, atMost: Self.topLogprobsLimit)
  }
}

/// A token that was sampled, with what is told of it.
///
/// Something more to tell is a property here and its line in `visit`; whoever computes it, and the form that the APIs
/// give it (`TokenLogprob`), are the two other places that know it. Messages between ranks and lines to the supervisor
/// follow `visit`.
package struct SampledToken: Sendable, Equatable {
  package var token: Int32
  /// Log-probability before temperature, penalties, bias and grammar; nil unless asked for.
  package var logprob: Float?
  /// The most probable tokens, descending; empty unless asked for.
  package var top: [Candidate] = []

  package init(_ token: Int32, logprob: Float? = nil, top: [Candidate] = []) {
    (self.token, self.logprob, self.top) = (token, logprob, top)
  }

  /// Nothing is told but the token itself.
  package var isBare: Bool { self == SampledToken(token) }

  /// Everything but the token itself, in the order of messages. Inlinable, so that it is specialised for each visitor.
  @inlinable
  package mutating func visit<Visitor: TokenFieldVisitor>(_ visitor: inout Visitor) throws(Visitor.Failure) {
    try visitor.number("logprob", &logprob)
    try visitor.candidates("top", &top)
  }
}

/// Writes what is told of a token or is to be told, or reads it, in one of the forms it has on its way.
package protocol TokenFieldVisitor {
  associatedtype Failure: Error
  /// nil where it is not asked for.
  mutating func count(_ name: String, _ value: inout Int?, atMost limit: Int) throws(Failure)
  /// nil where it is not told.
  mutating func number(_ name: String, _ value: inout Float?) throws(Failure)
  /// Empty where they are not told.
  mutating func candidates(_ name: String, _ values: inout [Candidate]) throws(Failure)
}
