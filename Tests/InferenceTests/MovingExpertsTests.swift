import EngineAPI
import ExpertParallelism
import Fabric
import ModelRuntime
import MoEModel
import Telemetry
import TestSupport
import Testing

@testable import Inference

/// Experts that change places again and again under uneven traffic, while sequences make room for each other, share
/// beginnings, are drafted ahead and cancelled: the tokens of one rank where nothing moves, and nothing left behind.
struct MovingExpertsTests {
  struct Setting: Sendable, CustomStringConvertible {
    var model = "deepseek_v3_fp8"
    var mode = SpeculationMode.auto
    var ranks = 1
    var layout = RankLayout.spread
    var moves = true
    /// Cache blocks of each rank, too few for all requests at once.
    var blocks = 64
    var description: String { "\(model), \(mode), \(ranks) ranks, \(layout), \(blocks) blocks" }
  }

  static let settings = [
    Setting(ranks: 2, blocks: 6), Setting(mode: .mtp, ranks: 3, blocks: 6),
    Setting(ranks: 2, layout: .sliced, blocks: 6), Setting(mode: .mtp, ranks: 3, layout: .sliced, blocks: 6),
    Setting(model: "qwen3_moe", mode: .lookup, ranks: 3, blocks: 6),
    Setting(model: "qwen3_next", mode: .off, ranks: 2, blocks: 6),
    Setting(model: "qwen3_next", mode: .off, ranks: 3, layout: .sliced, blocks: 6),
  ]

  /// What came of requests: tokens with their log-probabilities, of those that were cancelled the first.
  private struct Outcome {
    var drawn: [[SampledToken]] = []
    var preempted = 0
    var cached = 0
    var placements = 0
    var accepted = 0
  }

  private static let cancelled = [1: 9, 4: 3, 6: 17]

  private func requests(_ model: String) -> [GenerationRequest] {
    // Those models have a vocabulary of 64.
    let tokens: Int32 = Golden.deltas.contains(model) ? 60 : 250
    return (0..<8).map { i in
      // Pairs begin alike, and each repeats itself.
      let part = (0..<Int32(24)).map { ($0 * 7 + Int32(i / 2) * 31) % tokens }
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.seed) = (i % 3 == 0 ? 0 : 0.8, UInt64(i))
      var request = GenerationRequest(
        prompt: part + part + (0..<Int32(i)).map { ($0 * 11 + 5) % tokens },
        task: .generate(maxNewTokens: 72 + i, sampling: sampling, stopTokens: []))
      request.details.topLogprobs = 1
      // One that can only repeat itself, so that drafts are right.
      if i == 2 { request.logitBias = [37: 1000] }
      return request
    }
  }

  private func run(_ setting: Setting) throws -> Outcome {
    let golden = try Golden(setting.model)
    let found = try LocalFabric.run(size: setting.ranks) { communicator -> Outcome? in
      var options = SessionOptions()
      (options.threadsPerRank, options.layout, options.batchTokens) = (1, setting.layout, 96)
      options.cacheTokens = setting.blocks * 32
      (options.speculation.mode, options.speculation.adapts) = (setting.mode, false)
      (options.experts.moves, options.experts.replicaShare) = (setting.moves, setting.moves ? 0.5 : 0)
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      let layers = session.description.moeLayers
      func check() {
        let own = communicator.rank
        let (placement, room) = (session.model.placement, session.model.spareExperts[own.index])
        #expect(session.model.weights.spareExperts.count == room && (room >= 1 || !setting.moves))
        for layer in layers {
          guard case .moe(let moe) = session.model.weights.runLayers[layer].feedForward else { continue }
          guard session.description.slice?.dividesExperts != true else { continue }
          #expect(
            moe.experts.indices.allSatisfy {
              (moe.experts[$0] != nil) == placement.holds(layer: layer, expert: $0, own)
            })
        }
      }
      func held() -> Int {
        layers.reduce(session.model.spareExperts[communicator.rank.index]) {
          $0 + session.model.placement[$1].expertCount(of: communicator.rank)
        }
      }
      let memory = held()
      guard communicator.isRoot else {
        try session.follow()
        check()
        #expect(held() == memory, "as much memory for experts as at the start")
        return nil
      }
      let loop = session.makeLoop()
      let ids = try requests(setting.model).map { try loop.submit($0) }
      var (outcome, drawn, gone) = (Outcome(), [SequenceID: [SampledToken]](), Set<SequenceID>())
      var (steps, seed) = (0, UInt64(1))
      while loop.hasWork {
        for event in try loop.step() {
          switch event {
          case .started(_, let count): outcome.cached += count
          case .token(let id, let token, _):
            guard !gone.contains(id) else { continue }
            drawn[id, default: []].append(token)
            if let i = ids.firstIndex(of: id), drawn[id]?.count == Self.cancelled[i] {
              loop.cancel(id)
              gone.insert(id)
            }
          case .failed(_, let reason): throw InferenceError.sequenceFailed(reason)
          case .scored, .embedded: break
          }
        }
        steps += 1
        guard setting.moves else { continue }
        if !loop.isRebalancing, steps % 3 == 0 {
          // By what was counted, and by visits that were not, so that much must move.
          let loads = seed % 3 == 0 ? try #require(try loop.collectLoads()) : .skewed(session, upTo: 9, seed: seed)
          try loop.beginRebalance(loads)
          seed += 1
        }
        if loop.isRebalancing, try loop.moveNext() != nil { outcome.placements += 1 }
        check()
      }
      while loop.isRebalancing { _ = try loop.moveNext() }
      check()
      #expect(held() == memory, "as much memory for experts as at the start")
      for pool in loop.scheduler.pools {
        #expect(pool.inUseCount == 0, "no block is left with a sequence that has ended")
        #expect(pool.states.availableCount == pool.states.count, "no state either")
      }
      // Each visit is computed once, wherever its expert was, and counts for a text or as a wrong draft's.
      let account = try loop.collectAccounts()
      let kinds = account.ranks.flatMap(\.kinds)
      let computed = kinds.reduce(0) { $0 + $1.visits.reduce(0, +) }
      let rejected = kinds.flatMap(\.rejected).joined().reduce(0) { $0 + $1[1] }
      let kept = try #require(try loop.collectLoads()).total
      #expect(computed == Int(kept) + rejected)
      let topK = session.description.moe?.topK ?? 1
      #expect(computed % topK == 0)
      let status = try loop.status()
      (outcome.preempted, outcome.accepted) = (status.preemptions, status.accepted.reduce(0, +))
      #expect(status.requestsRunning == 0 && status.requestsWaiting == 0)
      outcome.drawn = ids.map { drawn[$0] ?? [] }
      try loop.stop()
      return outcome
    }
    return try #require(found[0])
  }

  @Test(arguments: settings) func noMoveChangesABit(setting: Setting) throws {
    let expected = try run(Setting(model: setting.model, mode: .off, moves: false))
    let counts = (0..<8).map { Self.cancelled[$0] ?? 72 + $0 }
    #expect(expected.drawn.map(\.count) == counts)
    let found = try run(setting)
    #expect(found.drawn.map(\.count) == counts)
    #expect(found.drawn == expected.drawn)
    #expect(found.placements >= 3, "\(found.placements) placements were reached")
    #expect(found.preempted > 0)
    #expect(setting.layout == .spread || found.cached > 0)
    #expect((found.accepted > 0) == (setting.mode == .lookup || setting.mode == .auto) || setting.mode == .mtp)
  }
}
