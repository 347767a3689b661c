import EngineAPI
import ModelText
import OpenAIProtocol

/// Takes a submission's tokens from its mailbox, and counts them. For the one task that answers the request.
struct TokenFeed: Sendable {
  struct Token {
    /// The sequence's number among the request's.
    var index: Int
    var sampled: SampledToken
    var finish: EngineAPI.FinishReason?

    /// Why its sequence ends with it, of which `piece` is the text; nil while it goes on.
    func finish(_ piece: TextStream.Piece) -> OpenAIProtocol.FinishReason? {
      if piece.isStopped { return .stop }
      return finish.map { $0 == .stop ? .stop : .length }
    }
  }

  /// What a sequence's prompt tokens after the first were worth.
  struct ScoredPrompt {
    /// The sequence's number among the request's.
    var index: Int
    var tokens: [SampledToken]
    /// Set where nothing is sampled.
    var finish: EngineAPI.FinishReason?
  }

  enum Step {
    case tokens([Token])
    /// Before the sequence's tokens, where it was asked for.
    case prompt(ScoredPrompt)
    /// Nothing has come for a while.
    case idle
  }

  /// Prompt tokens found in the cache, of each sequence.
  private(set) var cachedTokens: [Int]
  private let submission: Submission
  private let metrics: ServerMetrics
  private let record: RequestRecord?
  /// Of each sequence.
  private let promptTokens: [Int]
  private let arrival: ContinuousClock.Instant
  private var lastToken: [ContinuousClock.Instant?]
  private var hasStarted: [Bool]
  private var hasEnded: [Bool]
  /// Taken from the mailbox, and not looked at yet.
  private var waiting: ArraySlice<TokenEvent> = []

  /// `promptTokens`: how many the prompt of each sequence has.
  init(_ submission: Submission, promptTokens: [Int], metrics: ServerMetrics, arrival: ContinuousClock.Instant) {
    (self.submission, self.promptTokens, record) = (submission, promptTokens, submission.record)
    (self.metrics, self.arrival) = (metrics, arrival)
    let count = submission.ids.count
    cachedTokens = Array(repeating: 0, count: count)
    lastToken = Array(repeating: nil, count: count)
    hasStarted = Array(repeating: false, count: count)
    hasEnded = Array(repeating: false, count: count)
  }

  /// The next tokens; nil when all sequences have ended. Throws what the engine failed with, and when the client has
  /// gone.
  mutating func next() async throws -> Step? {
    while hasEnded.contains(false) {
      if waiting.isEmpty {
        switch await submission.mailbox.next() {
        case .events(let taken): waiting = taken[...]
        case .tick: return .idle
        case .closed(.drained):
          record?.noteEnd(.stopped)
          throw APIError.stopping
        case .closed(.clientLeft):
          record?.noteEnd(.clientLeft)
          throw ClientGone()
        case .closed(.clientTooSlow):
          record?.noteEnd(.clientTooSlow)
          throw ClientGone()
        }
      }
      if let prompt = takePrompt() { return .prompt(prompt) }
      var tokens: [Token] = []
      while let event = waiting.first {
        if case .prompt = event { break }
        waiting.removeFirst()
        if let token = try take(event) { tokens.append(token) }
      }
      if !tokens.isEmpty { return .tokens(tokens) }
    }
    return nil
  }

  /// What waits first, if it is of a prompt and wanted.
  private mutating func takePrompt() -> ScoredPrompt? {
    guard case .prompt(let id, let tokens, let finish) = waiting.first else { return nil }
    waiting.removeFirst()
    let index = id.value - submission.ids.lowerBound
    guard hasEnded.indices.contains(index), !hasEnded[index] else { return nil }
    if finish != nil { hasEnded[index] = true }
    return ScoredPrompt(index: index, tokens: tokens, finish: finish)
  }

  /// Nothing more of a sequence is wanted.
  mutating func end(_ index: Int) {
    guard !hasEnded[index] else { return }
    hasEnded[index] = true
    submission.cancel(submission.ids.lowerBound + index)
  }

  private mutating func take(_ event: TokenEvent) throws -> Token? {
    let index = event.id.value - submission.ids.lowerBound
    guard hasEnded.indices.contains(index), !hasEnded[index] else { return nil }
    switch event {
    case .started(_, let cached):
      // Again after a preemption, when what was computed before is in the cache.
      guard !hasStarted[index] else { return nil }
      hasStarted[index] = true
      cachedTokens[index] = cached
      let (prompt, queueTime) = (promptTokens[index], ContinuousClock.now - arrival)
      metrics.count { counts in
        counts.promptTokens += prompt
        counts.cachedTokens += cached
        counts.queueTime.record(queueTime.inSeconds)
      }
      record?.note { facts in
        facts.promptTokens += prompt
        facts.cachedTokens += cached
        facts.queueTime = facts.queueTime ?? queueTime
      }
      return nil
    case .token(_, let sampled, let finish):
      record(index)
      if finish != nil { hasEnded[index] = true }
      return Token(index: index, sampled: sampled, finish: finish)
    // Taken before, and never asked for.
    case .prompt, .embedding: return nil
    case .failed(_, let message):
      hasEnded[index] = true
      metrics.count { $0.engineFailures += 1 }
      record?.noteEnd(.failed, error: message)
      throw APIError.internalFailure(message)
    }
  }

  private mutating func record(_ index: Int) {
    let now = ContinuousClock.now
    let (previous, arrival) = (lastToken[index], arrival)
    lastToken[index] = now
    record?.note { facts in
      facts.completionTokens += 1
      facts.firstTokenTime = facts.firstTokenTime ?? (now - arrival)
    }
    metrics.count { counts in
      counts.generatedTokens += 1
      if let previous {
        counts.interToken.record((now - previous).inSeconds)
      } else {
        counts.firstToken.record((now - arrival).inSeconds)
      }
    }
  }
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
