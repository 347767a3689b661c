import EngineAPI
import Fabric
import Foundation
import JSON
import Synchronization
import TestSupport
import Testing

@testable import Inference

/// The engine as its users see it: requests from many threads, events in order, cancellation, and an end.
struct LocalEngineTests {
  /// Collects the events of requests.
  private final class Log: Sendable {
    let events = Mutex<[RequestID: [TokenEvent]]>([:])
    func add(_ event: TokenEvent) { events.withLock { $0[event.id, default: []].append(event) } }
    func tokens(_ id: Int) -> [Int32] {
      events.withLock { $0[RequestID(id)] ?? [] }.compactMap {
        if case .token(_, let token, _) = $0 { token.token } else { nil }
      }
    }
    func isOver(_ id: Int) -> Bool {
      switch events.withLock({ $0[RequestID(id)]?.last }) {
      case .token(_, _, let finish): finish != nil
      case .failed, .embedding: true
      default: false
      }
    }
  }

  /// Holds the loop up in the middle of a step.
  private final class Hold: TokenConstraint {
    let (began, gate) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    var allowed: AllowedTokens {
      began.signal()
      gate.wait()
      return AllowedTokens(words: Array(repeating: .max, count: 1024))
    }
    func advance(_ token: Int32) -> ConstraintProgress { .open }
  }

  private struct NoGrammars: Error, CustomStringConvertible { var description: String { "no grammars here" } }

  /// Runs an engine on `ranks` ranks while `body` uses it from another thread.
  private func withEngine(
    _ ranks: Int, holding hold: Hold? = nil, _ body: @escaping @Sendable (LocalEngine, Log) -> Void
  ) throws {
    let engine = LocalEngine { _, _ in
      guard let hold else { throw NoGrammars() }
      return hold
    }
    let log = Log()
    let folder = try Golden("deepseek_v3").folder
    let user = Thread {
      body(engine, log)
      engine.stop()
    }
    user.start()
    _ = try LocalFabric.run(size: ranks) { communicator in
      var options = SessionOptions()
      options.threadsPerRank = 1
      let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else { return try session.follow() }
      let loop = session.makeLoop()
      try engine.run(loop, facts: session.facts, onInterrupt: {})
      try loop.stop()
    }
    #expect(engine.state == .stopped)
  }

  private func wait(_ isMet: () -> Bool) -> Bool { eventually(isMet) }

  @Test(arguments: [1, 2]) func requestsFromManyThreadsAreServedExactlyAsAlone(ranks: Int) throws {
    let golden = try Golden("deepseek_v3")
    let prompts = try (0..<3).map { try golden.prompt($0) }
    let greedy = try (0..<3).map { try golden.greedy($0) }
    try withEngine(ranks) { engine, log in
      DispatchQueue.concurrentPerform(iterations: 12) { i in
        var request = TokenRequest(id: RequestID(i), prompt: prompts[i % 3], maxNewTokens: 32)
        if i >= 9 { request.sampled = Array(greedy[i % 3].prefix(10)) }
        engine.submit(request) { log.add($0) }
      }
      #expect(wait { (0..<12).allSatisfy(log.isOver) })
      for i in 0..<12 { #expect(log.tokens(i) == Array(greedy[i % 3].dropFirst(i >= 9 ? 10 : 0))) }
      #expect(engine.facts?.rankCount == ranks && engine.facts?.expertCount ?? 0 > 0 && engine.state == .ready)
      // Nobody has looked at the status so far: it is kept fresh all the same, once a second. Where the machine holds
      // that up, looking again helps.
      Thread.sleep(forTimeInterval: 1.5)
      #expect(wait { engine.status.requestsFinished == 12 })
      let status = engine.status
      #expect(status.ranks.count == ranks && status.generatedTokens == 9 * 32 + 3 * 22)
      #expect(
        status.ranks.reduce(0) { $0 + $1.tokens } > 300 && status.ranks.allSatisfy { $0.experts > 0 && $0.blocks > 0 })
      let visits = status.visits.map { $0.reduce(0, +) }
      #expect(!visits.isEmpty && visits.allSatisfy { $0 == visits[0] && $0 > 0 })
    }
  }

  @Test func whatCannotBeCarriedOutFailsAloneAndWhatIsCancelledEnds() throws {
    let golden = try Golden("deepseek_v3")
    let (prompt, greedy) = (try golden.prompt(0), try golden.greedy(0))
    try withEngine(1) { engine, log in
      engine.submit(TokenRequest(id: RequestID(0), prompt: [], maxNewTokens: 4)) { log.add($0) }
      engine.submit(TokenRequest(id: RequestID(1), prompt: [-5], maxNewTokens: 4)) { log.add($0) }
      #expect(wait { engine.state == .ready })
      var constrained = TokenRequest(id: RequestID(2), prompt: [1], maxNewTokens: 4)
      constrained.grammar = .null
      engine.submit(constrained) { log.add($0) }
      // The engine waits at the fourth token: the others cannot come before the request is cancelled.
      let (reached, cancelled) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
      engine.submit(TokenRequest(id: RequestID(3), prompt: prompt, maxNewTokens: 400)) {
        log.add($0)
        guard log.tokens(3).count == 4 else { return }
        reached.signal()
        cancelled.wait()
      }
      engine.submit(TokenRequest(id: RequestID(4), prompt: prompt, maxNewTokens: 32)) { log.add($0) }
      #expect(reached.wait(timeout: .now() + 600) == .success)
      engine.cancel(RequestID(3))
      engine.cancel(RequestID(99))
      cancelled.signal()
      #expect(wait { (0..<3).allSatisfy(log.isOver) && log.isOver(4) })
      #expect(log.tokens(4) == greedy)
      _ = engine.status
      #expect(wait { engine.status.requestsRunning == 0 && engine.status.requestsFinished > 0 })
      #expect(log.tokens(3).count == 4, "a cancelled request is told nothing more")
      guard case .failed(_, let message) = log.events.withLock({ $0[RequestID(2)]! })[0] else {
        return #expect(Bool(false))
      }
      #expect(message == "no grammars here")
    }
  }

  /// The loop tells nothing in the middle of a step, which is when people look.
  @Test func requestsCountAsUnderWayWhileAStepDoesNotEnd() throws {
    let prompt = try Golden("deepseek_v3").prompt(0)
    let hold = Hold()
    try withEngine(1, holding: hold) { engine, log in
      #expect(wait { engine.state == .ready })
      #expect(engine.status.requestsRunning == 0 && engine.status.requestsWaiting == 0)
      var constrained = TokenRequest(id: RequestID(0), prompt: prompt, maxNewTokens: 2)
      constrained.grammar = .null
      engine.submit(constrained) { log.add($0) }
      #expect(hold.began.wait(timeout: .now() + 600) == .success)
      #expect(engine.status.requestsRunning == 1 && engine.status.requestsWaiting == 0)
      let places = engine.facts?.sequences ?? 0
      for id in 1...places {
        engine.submit(TokenRequest(id: RequestID(id), prompt: prompt, maxNewTokens: 1)) { log.add($0) }
      }
      #expect(engine.status.requestsRunning == places && engine.status.requestsWaiting == 1)
      for _ in 0..<100 { hold.gate.signal() }
      #expect(wait { (0...places).allSatisfy(log.isOver) })
      #expect(wait { engine.status.requestsRunning == 0 && engine.status.requestsWaiting == 0 })
    }
  }

  @Test(arguments: [1, 2]) func aPromptIsScoredBeforeItIsContinued(ranks: Int) throws {
    let golden = try Golden("deepseek_v3")
    let (prompt, greedy) = (try golden.prompt(2), try golden.greedy(2))
    let logits = try golden.floats("p2.logits")
    let width = logits.count / (prompt.count + greedy.count - 1)
    try withEngine(ranks) { engine, log in
      for (id, count) in [(0, 0), (1, 5)] {
        var request = TokenRequest(id: RequestID(id), prompt: prompt, maxNewTokens: count)
        request.promptLogprobs = 2
        engine.submit(request) { log.add($0) }
      }
      func scores(_ id: Int) -> (tokens: [SampledToken], finish: FinishReason?)? {
        for case .prompt(_, let tokens, let finish) in log.events.withLock({ $0[RequestID(id)] ?? [] }) {
          return (tokens, finish)
        }
        return nil
      }
      #expect(wait { scores(0) != nil && log.isOver(1) })
      guard let first = scores(0), let second = scores(1) else { return #expect(Bool(false), "no scores") }
      #expect(first.finish == .length && second.finish == nil && first.tokens == second.tokens)
      #expect(first.tokens.map(\.token) == Array(prompt.dropFirst()))
      #expect(log.tokens(0).isEmpty && log.tokens(1) == Array(greedy.prefix(5)))
      for (position, token) in first.tokens.enumerated() {
        let row = logits[(position * width)..<((position + 1) * width)]
        let highest = Double(row.max()!)
        let normalizer = highest + Foundation.log(row.reduce(0) { $0 + exp(Double($1) - highest) })
        #expect(abs(Double(token.logprob!) - (Double(row[row.startIndex + Int(token.token)]) - normalizer)) < 1e-3)
        #expect(
          token.top.count == 2 && token.top[0].logprob >= token.top[1].logprob
            && Double(token.top[0].logprob) > highest - normalizer - 1e-3)
      }
    }
  }

  @Test(arguments: [1, 2]) func aVectorComesOnceAmongOtherRequests(ranks: Int) throws {
    let golden = try Golden("deepseek_v3")
    let prompt = Array(try golden.scoredIDs(3).prefix(70))
    let greedy = try golden.greedy(0)
    let other = try golden.prompt(0)
    try withEngine(ranks) { engine, log in
      func submit(_ id: Int, _ pooling: Pooling) {
        var request = TokenRequest(id: RequestID(id), prompt: prompt, maxNewTokens: 0)
        request.pooling = pooling
        engine.submit(request) { log.add($0) }
      }
      func events(_ id: Int) -> [TokenEvent] { log.events.withLock { $0[RequestID(id)] ?? [] } }
      submit(0, .last)
      #expect(wait { log.isOver(0) })
      engine.submit(TokenRequest(id: RequestID(1), prompt: other, maxNewTokens: 32)) { log.add($0) }
      submit(2, .last)
      submit(3, .mean)
      submit(4, .mean)
      engine.cancel(RequestID(4))
      #expect(wait { (1...3).allSatisfy(log.isOver) })
      #expect(log.tokens(1) == greedy)
      // The last token's state is the same with the beginning found in the cache; a mean reads everything.
      guard case .embedding(_, let first)? = events(0).last, case .embedding(_, let again)? = events(2).last,
        case .embedding(_, let mean)? = events(3).last
      else { return #expect(Bool(false), "no vectors") }
      #expect(first == again && first.count == mean.count && first != mean)
      #expect(events(0).count == 2 && events(2).count == 2 && events(3).count == 2)
      guard case .started(_, let cached) = events(2)[0], case .started(_, let none) = events(3)[0] else {
        return #expect(Bool(false))
      }
      #expect(cached % 32 == 0 && cached < prompt.count && none == 0)
      submit(4, .mean)
      #expect(wait { log.isOver(4) })
      #expect(events(4).last == .embedding(RequestID(4), mean))
    }
  }

  @Test func stoppingServesWhatIsThereAndRefusesTheRest() throws {
    let golden = try Golden("deepseek_v3")
    let (prompt, greedy) = (try golden.prompt(1), try golden.greedy(1))
    try withEngine(1) { engine, log in
      engine.submit(TokenRequest(id: RequestID(0), prompt: prompt, maxNewTokens: 32)) { log.add($0) }
      engine.stop()
      engine.submit(TokenRequest(id: RequestID(1), prompt: prompt, maxNewTokens: 32)) { log.add($0) }
      #expect(log.isOver(1) && log.tokens(1).isEmpty)
      #expect(wait { log.isOver(0) })
      #expect(log.tokens(0) == greedy)
    }
  }
}
