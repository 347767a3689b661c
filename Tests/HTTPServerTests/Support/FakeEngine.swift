import EngineAPI
import Foundation
import Synchronization

/// An engine that gives out tokens from a script.
final class FakeEngine: TokenEngine {
  struct Script: Sendable {
    var tokens: [Int32]
    /// Reported with the last token, unless the request's limit comes first. nil: the sequence never ends.
    var finish: FinishReason? = .stop
    var cachedTokens = 0
    /// Before the first token, and before each further one.
    var firstDelay = Duration.zero
    var delay = Duration.zero
    /// Asked before each token from the one with the number `firstHeld` on, which waits for as long as the answer is
    /// yes: for tests that must come before it.
    var isHeld: @Sendable () -> Bool = { false }
    var firstHeld = 1
    /// Instead of the rest, after the tokens.
    var failure: String?
    /// What is told of a prompt that is to be scored: here, as it should be.
    var scores: @Sendable ([SampledToken]) -> [SampledToken]? = { $0 }
    /// The vector of a prompt whose states are asked for; nil never comes.
    var vector: @Sendable ([Int32], Pooling) -> [Float]? = { FakeEngine.vector($0, $1) }

    init(_ tokens: [Int32]) { self.tokens = tokens }
  }

  private struct State {
    var engineState = EngineState.ready
    var restartCount = 0
    var stall: EngineStall?
    var outageBegan: ContinuousClock.Instant?
    var startTrouble: String?
    var facts: EngineFacts? = FakeEngine.facts()
    var status = ClusterStatus()
    var submitted: [TokenRequest] = []
    var active: Set<RequestID> = []
    var cancelled: Set<RequestID> = []
    var rebalances = 0
    var taskSubmissions = 0
    var onSubmit: (@Sendable (TokenRequest) -> Void)?
  }

  private let contents = Mutex(State())
  private let script: @Sendable (TokenRequest) -> Script

  init(_ script: @escaping @Sendable (TokenRequest) -> Script) { self.script = script }

  convenience init(_ script: Script) { self.init { _ in script } }

  static func facts(
    positions: Int = 512, sequences: Int = 512, vocabulary: Int = 4096, family: String = "deepseek_v3"
  ) -> EngineFacts {
    var facts = EngineFacts()
    facts.maximumPositions = positions
    facts.cacheTokens = 1 << 20
    facts.sequences = sequences
    facts.vocabularySize = vocabulary
    facts.family = family
    facts.hiddenSize = 4
    return facts
  }

  var state: EngineState {
    get { contents.withLock { $0.engineState } }
    set { contents.withLock { $0.engineState = newValue } }
  }
  var restartCount: Int {
    get { contents.withLock { $0.restartCount } }
    set { contents.withLock { $0.restartCount = newValue } }
  }
  var stall: EngineStall? {
    get { contents.withLock { $0.stall } }
    set { contents.withLock { $0.stall = newValue } }
  }
  var outageBegan: ContinuousClock.Instant? {
    get { contents.withLock { $0.outageBegan } }
    set { contents.withLock { $0.outageBegan = newValue } }
  }
  var startTrouble: String? {
    get { contents.withLock { $0.startTrouble } }
    set { contents.withLock { $0.startTrouble = newValue } }
  }
  var facts: EngineFacts? {
    get { contents.withLock { $0.facts } }
    set { contents.withLock { $0.facts = newValue } }
  }
  var status: ClusterStatus {
    get { contents.withLock { $0.status } }
    set { contents.withLock { $0.status = newValue } }
  }
  var submitted: [TokenRequest] { contents.withLock { $0.submitted } }
  /// Sequences submitted, and neither ended nor cancelled.
  var active: Set<RequestID> { contents.withLock { $0.active } }
  var cancelled: Set<RequestID> { contents.withLock { $0.cancelled } }
  /// Times it was asked to have experts change places.
  var rebalances: Int { contents.withLock { $0.rebalances } }
  func rebalance() { contents.withLock { $0.rebalances += 1 } }
  /// Sequences submitted by a task, whose thread others need.
  var taskSubmissions: Int { contents.withLock { $0.taskSubmissions } }
  /// Called with each sequence once it is known.
  var onSubmit: (@Sendable (TokenRequest) -> Void)? {
    get { contents.withLock { $0.onSubmit } }
    set { contents.withLock { $0.onSubmit = newValue } }
  }

  func submit(_ request: TokenRequest, onEvent: @escaping @Sendable (TokenEvent) -> Void) {
    let isTask = withUnsafeCurrentTask { $0 != nil }
    contents.withLock { state in
      state.submitted.append(request)
      state.active.insert(request.id)
      if isTask { state.taskSubmissions += 1 }
    }
    onSubmit?(request)
    let script = script(request)
    Task { [self] in
      try? await Task.sleep(for: script.firstDelay)
      guard emit(.started(request.id, cachedTokens: script.cachedTokens), onEvent) else { return }
      if let pooling = request.pooling {
        if let failure = script.failure {
          _ = emit(.failed(request.id, message: failure), onEvent)
        } else if let vector = script.vector(request.prompt, pooling) {
          _ = emit(.embedding(request.id, vector), onEvent)
        }
        return
      }
      if let count = request.promptLogprobs, let scores = script.scores(Self.scores(request.prompt, count)) {
        let finish: FinishReason? = request.maxNewTokens == 0 ? .length : nil
        guard emit(.prompt(request.id, scores, finish: finish), onEvent) else { return }
      }
      let tokens = script.tokens.prefix(request.maxNewTokens)
      for (i, token) in tokens.enumerated() {
        if i > 0, script.delay > .zero { try? await Task.sleep(for: script.delay) }
        while i >= script.firstHeld, script.isHeld(), active.contains(request.id) {
          try? await Task.sleep(for: .milliseconds(1))
        }
        let isLast = i == tokens.count - 1 && script.failure == nil
        let finish = i + 1 == request.maxNewTokens ? .length : isLast ? script.finish : nil
        guard emit(.token(request.id, Self.sampled(token, request), finish: finish), onEvent) else { return }
      }
      if let failure = script.failure { _ = emit(.failed(request.id, message: failure), onEvent) }
    }
  }

  /// Of the prompt's last token, or the sum of all, and how many there are.
  static func vector(_ prompt: [Int32], _ pooling: Pooling) -> [Float] {
    let first = pooling == .last ? Float(prompt.last ?? 0) : Float(prompt.reduce(0) { $0 + Int($1) })
    return [first, Float(prompt.count), -0.5, 0.1]
  }

  /// Token i has the log-probability -i / 4; the tokens that follow it in the vocabulary are more probable if i is odd.
  private static func scores(_ prompt: [Int32], _ count: Int) -> [SampledToken] {
    prompt.enumerated().dropFirst().map { i, token in
      let logprob = -Float(i) / 4
      let top = (0..<count).map { k in
        let isToken = i % 2 == 0
        return Candidate(
          token: (token + Int32(k) + (isToken ? 0 : 1)) % 4096,
          logprob: isToken ? logprob - Float(k) : logprob * Float(k + 1) / Float(count + 1))
      }
      return SampledToken(token, logprob: logprob, top: top)
    }
  }

  private static func sampled(_ token: Int32, _ request: TokenRequest) -> SampledToken {
    guard let count = request.details.topLogprobs else { return SampledToken(token) }
    let top = (0..<count).map { Candidate(token: (token + Int32($0)) % 4096, logprob: -0.5 - Float($0)) }
    return SampledToken(token, logprob: -0.5, top: top)
  }

  /// false when the request is no longer wanted.
  private func emit(_ event: TokenEvent, _ onEvent: @Sendable (TokenEvent) -> Void) -> Bool {
    let isActive = contents.withLock { state in
      let isActive = state.active.contains(event.id)
      switch event {
      case .token(_, _, .some), .prompt(_, _, .some), .embedding, .failed: state.active.remove(event.id)
      default: break
      }
      return isActive
    }
    if isActive { onEvent(event) }
    return isActive
  }

  func cancel(_ id: RequestID) {
    contents.withLock { state in if state.active.remove(id) != nil { state.cancelled.insert(id) } }
  }

  func stop() { state = .stopped }
}
