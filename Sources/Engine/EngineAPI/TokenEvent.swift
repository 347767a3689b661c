/// Why a sequence ended.
package enum FinishReason: String, Sendable, CaseIterable {
  /// A token that ends sequences was sampled, or the grammar allows nothing more.
  case stop
  /// It has as many tokens as were asked for, or as the model's context holds.
  case length
}

/// What became of a request. The last event has a finish reason or is a failure.
package enum TokenEvent: Sendable, Equatable {
  /// It left the queue; this many of its prompt's tokens were in the cache already. Again after a preemption or a
  /// restart.
  case started(RequestID, cachedTokens: Int)
  case token(RequestID, SampledToken, finish: FinishReason?)
  /// Where it was asked for, once and before any token: prompt token i + 1 is entry i. `finish` is set where nothing is
  /// to be sampled.
  case prompt(RequestID, [SampledToken], finish: FinishReason?)
  /// The prompt's pooled hidden states, `[hiddenSize]`: all that was asked for.
  case embedding(RequestID, [Float])
  /// It cannot be carried out; others go on.
  case failed(RequestID, message: String)

  package var id: RequestID {
    switch self {
    case .started(let id, _), .token(let id, _, _), .prompt(let id, _, _), .embedding(let id, _), .failed(let id, _): id
    }
  }

  /// Whether no event of its request follows.
  package var isLast: Bool {
    switch self {
    case .started: false
    case .token(_, _, let finish), .prompt(_, _, let finish): finish != nil
    case .embedding, .failed: true
    }
  }
}
