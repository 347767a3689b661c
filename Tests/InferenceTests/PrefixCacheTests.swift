import EngineAPI
import Fabric
import Kernels
import Testing

@testable import Inference

/// What a cache that is shared, too small or restarted may not change: a single bit of what is drawn.
struct PrefixCacheTests {
  /// Continues prompts in waves, each after the one before has ended; returns what each drew and how many of its tokens
  /// were cached.
  private func serve(
    _ model: String, waves: [[GenerationRequest]], ranks: Int, cacheTokens: Int, keepsPrefixes: Bool = true,
    states: Int? = nil, type: CacheType = .f32
  ) throws -> (drawn: [[SampledToken]], cached: [Int], preempted: Int) {
    let folder = try Golden(model).folder
    let box = Waves(waves)
    let results = try LocalFabric.run(size: ranks) {
      communicator -> (drawn: [[SampledToken]], cached: [Int], preempted: Int)? in
      var options = SessionOptions()
      options.threadsPerRank = 1
      options.cacheTokens = cacheTokens
      options.keepsPrefixes = keepsPrefixes
      options.stateCount = states
      options.cacheType = type
      let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      var (drawn, cached): ([SequenceID: [SampledToken]], [SequenceID: Int]) = ([:], [:])
      var ids: [SequenceID] = []
      for wave in box.waves {
        for request in wave { ids.append(try loop.submit(request)) }
        while loop.hasWork {
          for event in try loop.step() {
            switch event {
            case .started(let id, let count): if cached[id] == nil { cached[id] = count }
            case .token(let id, let token, _): drawn[id, default: []].append(token)
            case .failed(_, let reason): throw InferenceError.sequenceFailed(reason)
            case .scored, .embedded: break
            }
          }
        }
      }
      let preempted = loop.scheduler.counts.preempted
      try loop.stop()
      return (ids.map { drawn[$0] ?? [] }, ids.map { cached[$0] ?? 0 }, preempted)
    }
    return results[0]!
  }

  private final class Waves: @unchecked Sendable {
    let waves: [[GenerationRequest]]
    init(_ waves: [[GenerationRequest]]) { self.waves = waves }
  }

  private func request(_ prompt: [Int32], _ count: Int, temperature: Float = 0) -> GenerationRequest {
    var sampling = SamplingParameters()
    (sampling.temperature, sampling.seed, sampling.frequencyPenalty) = (temperature, 42, temperature > 0 ? 0.3 : 0)
    var request = GenerationRequest(
      prompt: prompt, task: .generate(maxNewTokens: count, sampling: sampling, stopTokens: []))
    request.details.topLogprobs = 3
    return request
  }

  private func prompt(_ count: Int, salt: Int32, vocabulary: Int32 = 500) -> [Int32] {
    (0..<Int32(count)).map { ($0 * 37 + 11 * ($0 % 5) + salt) % vocabulary }
  }

  @Test(arguments: ["deepseek_v3", "deepseek_v32", "qwen3_moe", "gpt_oss"], [1, 2])
  func aPrefixFoundInTheCacheChangesNoBit(model: String, ranks: Int) throws {
    try expectPrefixesToChangeNoBit(model, ranks: ranks, type: .f32)
  }

  @Test(arguments: ["deepseek_v3", "deepseek_v32", "qwen3_moe", "gpt_oss"], [CacheType.bf16, .q8])
  func aPrefixFoundInARoundedCacheChangesNoBit(model: String, type: CacheType) throws {
    try expectPrefixesToChangeNoBit(model, ranks: 2, type: type)
  }

  private func expectPrefixesToChangeNoBit(_ model: String, ranks: Int, type: CacheType) throws {
    let system = prompt(100, salt: 1)
    let prompts = (0..<4).map { system + prompt(9, salt: Int32($0)) } + [Array(system.prefix(96)), prompt(70, salt: 3)]
    let requests = prompts.enumerated().map { request($1, 24, temperature: $0 % 2 == 0 ? 0 : 0.9) }
    let fresh = try serve(model, waves: [requests], ranks: 1, cacheTokens: 4096, keepsPrefixes: false, type: type)
    #expect(fresh.cached.allSatisfy { $0 == 0 })
    let shared = try serve(
      model, waves: [[requests[0]], Array(requests[1...])], ranks: ranks, cacheTokens: 4096, type: type)
    #expect(shared.drawn == fresh.drawn)
    #expect(shared.cached.filter { $0 >= 64 }.count >= 2, "\(shared.cached)")
    #expect(shared.drawn[0][0].logprob != nil && shared.drawn[0][0].top.count == 3)
  }

  /// A recurrent state is taken up where a snapshot of it was kept: at the last whole block of a prompt, and where
  /// prompts part.
  @Test(arguments: ["qwen3_next", "qwen3_5", "deepseek_v4", "deepseek_v4_saved"], [1, 2, 3])
  func aRecurrentStateFoundInTheCacheChangesNoBit(model: String, ranks: Int) throws {
    let system = prompt(100, salt: 1, vocabulary: 60)
    let prompts =
      (0..<4).map { system + prompt(40, salt: Int32($0), vocabulary: 60) }
      + [Array(system.prefix(96)), prompt(70, salt: 3, vocabulary: 60)]
    let requests = prompts.enumerated().map { request($1, 24, temperature: $0 % 2 == 0 ? 0 : 0.9) }
    let fresh = try serve(model, waves: [requests], ranks: 1, cacheTokens: 4096, keepsPrefixes: false)
    #expect(fresh.cached.allSatisfy { $0 == 0 })
    // The second prompt leaves the first one's after 96 tokens, where the first kept nothing, and the others follow it.
    let waves = [[requests[0]], [requests[1]], Array(requests[2...]), [requests[0]]]
    let shared = try serve(model, waves: waves, ranks: ranks, cacheTokens: 4096)
    #expect(shared.drawn == fresh.drawn + [fresh.drawn[0]])
    #expect(shared.cached[0] == 0 && shared.cached[6] == 128, "\(shared.cached)")
    if ranks == 1 { #expect(shared.cached == [0, 0, 96, 96, 0, 0, 128]) }
    // One state is worked in, and none is left for snapshots.
    let bare = try serve(model, waves: waves, ranks: ranks, cacheTokens: 4096, states: 1)
    #expect(bare.drawn == shared.drawn && bare.cached.allSatisfy { $0 == 0 })
  }

  /// Sequences that are thrown out go on from their latest snapshot, or from the start.
  @Test(arguments: [(2, 1), (3, 1), (16, 1), (2, 2), (3, 2), (16, 2)], ["qwen3_5_moe", "deepseek_v4"])
  func makingRoomChangesNoBitOfARecurrentState(layout: (states: Int, ranks: Int), model: String) throws {
    let (states, ranks) = layout
    let requests = (0..<6).map {
      request(prompt(20 + $0, salt: Int32($0), vocabulary: 60), 100, temperature: $0 % 2 == 0 ? 0 : 0.9)
    }
    let roomy = try serve(model, waves: [requests], ranks: 1, cacheTokens: 4096)
    #expect(roomy.preempted == 0)
    let crowded = try serve(model, waves: [requests], ranks: ranks, cacheTokens: 160, states: states)
    #expect(crowded.drawn == roomy.drawn)
    if states > 2 { #expect(crowded.preempted > 0) }
  }

  @Test(arguments: ["deepseek_v3", "glm_moe_dsa"], [1, 2])
  func makingRoomForOthersChangesNoBit(model: String, ranks: Int) throws {
    try expectRoomToChangeNoBit(model, ranks: ranks, type: .f32)
  }

  @Test(arguments: ["deepseek_v3", "glm_moe_dsa", "gpt_oss"])
  func makingRoomInARoundedCacheChangesNoBit(model: String) throws {
    try expectRoomToChangeNoBit(model, ranks: 2, type: .q8)
  }

  private func expectRoomToChangeNoBit(_ model: String, ranks: Int, type: CacheType) throws {
    let requests = (0..<6).map { request(prompt(20, salt: Int32($0)), 100, temperature: $0 % 2 == 0 ? 0 : 0.9) }
    let roomy = try serve(model, waves: [requests], ranks: 1, cacheTokens: 4096, type: type)
    #expect(roomy.preempted == 0)
    let crowded = try serve(model, waves: [requests], ranks: ranks, cacheTokens: 160, type: type)
    #expect(crowded.preempted > 0)
    #expect(crowded.drawn == roomy.drawn)
  }

  @Test func goingOnAfterTokensDrawnElsewhereGivesWhatWouldHaveCome() throws {
    for temperature in [0, 0.9] as [Float] {
      let whole = request(prompt(50, salt: 5), 40, temperature: temperature)
      let all = try serve("qwen3_moe", waves: [[whole]], ranks: 1, cacheTokens: 4096).drawn[0]
      for count in [1, 14, 39] {
        var rest = whole
        rest.sampled = all.prefix(count).map(\.token)
        #expect(
          try serve("qwen3_moe", waves: [[rest]], ranks: 1, cacheTokens: 4096).drawn[0] == Array(all.dropFirst(count)))
      }
    }
    var over = request(prompt(5, salt: 5), 4)
    over.sampled = [1, 2, 3, 4]
    let over2 = over
    #expect(throws: (any Error).self) { try serve("qwen3_moe", waves: [[over2]], ranks: 1, cacheTokens: 4096) }
  }
}
