import Checkpoints
import EngineAPI
import Fabric
import ModelRuntime
import Telemetry

@testable import Inference

/// How requests are carried out with or without drafts; but for the requests nothing of it may change a token.
struct SpeculatedLayout: Sendable, CustomStringConvertible {
  var mode = SpeculationMode.off
  var draftTokens = 3
  var ranks = 1
  var cacheTokens = 4096
  var batchTokens = 512
  /// Whether it may leave drafts out where they cost; else it always drafts.
  var adapts = false
  /// After so many of its tokens request i is cancelled.
  var cancelled: [Int: Int] = [:]
  var sharing = RankLayout.spread
  /// Whether experts stay whole where all else is sliced.
  var movesExperts = false
  var description: String {
    "\(mode) of \(draftTokens) on \(ranks) ranks, cache of \(cacheTokens), \(batchTokens) tokens a step, \(sharing)"
  }
}

/// What came of requests, and what drafts had to do with it.
struct SpeculatedRun: Sendable {
  var drawn: [[SampledToken]] = []
  var finishes: [FinishReason?] = []
  var failures: [String?] = []
  var steps = 0
  var preempted = 0
  var speculation = SpeculationStatistics()
  /// What the prediction module guessed of request 0, by the number of its tokens, prompt and all, that were there.
  var guesses: [Int: Int32] = [:]
  var notes: [String] = []

  var tokens: [[Int32]] { drawn.map { $0.map(\.token) } }
}

/// Makes requests anew for each run: constraints remember.
typealias RequestMaker = @Sendable () -> [GenerationRequest]

func speculate(
  model: String, _ layout: SpeculatedLayout, _ requests: @escaping RequestMaker
) throws -> SpeculatedRun {
  let results = try LocalFabric.run(size: layout.ranks) { communicator -> SpeculatedRun? in
    var options = SessionOptions()
    options.threadsPerRank = 1
    (options.cacheTokens, options.batchTokens) = (layout.cacheTokens, layout.batchTokens)
    (options.speculation.mode, options.speculation.draftTokens) = (layout.mode, layout.draftTokens)
    options.speculation.adapts = layout.adapts
    (options.layout, options.experts.moves) = (layout.sharing, layout.movesExperts)
    var run = SpeculatedRun()
    let session = try GenerationSession(model: model, options: options, communicator: communicator) {
      if case .note(let note) = $0 { run.notes.append(note) }
    }
    guard communicator.isRoot else {
      try session.follow()
      return nil
    }
    try run.drive(session.makeLoop(), requests(), layout)
    return run
  }
  return results[0]!
}

extension SpeculatedRun {
  fileprivate mutating func drive(
    _ loop: GenerationLoop, _ requests: [GenerationRequest], _ layout: SpeculatedLayout
  ) throws {
    let ids = try requests.map { try loop.submit($0) }
    (drawn, finishes) = (ids.map { _ in [] }, ids.map { _ in nil })
    failures = ids.map { _ in nil }
    var gone: Set<Int> = []
    while loop.hasWork {
      steps += 1
      for event in try loop.step() {
        switch event {
        case .token(let id, let token, let finish):
          guard let i = ids.firstIndex(of: id), !gone.contains(i) else { continue }
          drawn[i].append(token)
          finishes[i] = finish
          if drawn[i].count == layout.cancelled[i] {
            loop.cancel(id)
            gone.insert(i)
          }
        case .failed(let id, let reason): if let i = ids.firstIndex(of: id) { failures[i] = reason }
        case .started, .scored, .embedded: break
        }
      }
      if let first = loop.scheduler.running.first(where: { $0.id == ids[0] }), let guess = first.prediction {
        guesses[first.tokens.count] = guess
      }
    }
    preempted = loop.scheduler.counts.preempted
    speculation = loop.statistics.speculation
    try loop.stop()
  }
}
