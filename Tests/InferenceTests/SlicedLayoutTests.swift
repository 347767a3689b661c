import Checkpoints
import EngineAPI
import ExpertParallelism
import Fabric
import Foundation
import Inference
import Kernels
import MoEModel
import ModelRuntime
import Telemetry
import Testing

/// Ranks that share out every matrix by output element compute the bits of one that holds all of them.
struct SlicedLayoutTests {
  /// Even and uneven divisions of heads and rows, and more ranks than there are heads.
  static let layouts = [1, 2, 3, 4, 5, 8].enumerated().map { i, ranks in
    Layout(
      ranks: ranks, threads: 1 + i % 2, batchTokens: [512, 5, 512, 1, 7, 512][i], together: i % 3 != 2,
      isa: InstructionSet.supported[i % InstructionSet.supported.count], sharing: .sliced)
  }

  /// One division that is even, and one that is not.
  static let someLayouts = [layouts[1], layouts[2], layouts[5]]

  @Test(arguments: Golden.names)
  func slicesChangeNoBit(model: String) throws {
    try expectSameBits(model, base: Layout(), layouts: Self.layouts)
  }

  @Test(arguments: [
    "deepseek_v3", "deepseek_v2_group", "qwen3_moe", "gpt_oss_mxfp4", "mixtral", "qwen2_moe", "glm_moe_dsa",
  ])
  func slicesBesideWholeExpertsChangeNoBit(model: String) throws {
    let layouts = Self.layouts.map { layout in
      var layout = layout
      layout.movesExperts = true
      return layout
    }
    try expectSameBits(model, base: Layout(), layouts: layouts)
  }

  @Test(arguments: ["deepseek_v3", "gpt_oss", "olmoe", "qwen3", "deepseek_v32"], [CacheType.bf16, .q8])
  func slicesChangeNoBitWithARoundedCache(model: String, type: CacheType) throws {
    try expectSameBits(model, base: Layout(cacheType: type), layouts: Self.someLayouts)
  }

  @Test(
    arguments: [
      "deepseek_v3", "deepseek_v3_fp8", "gpt_oss_mxfp4", "qwen3_moe_bf16", "qwen2_moe", "minimax_m2", "glm_moe_dsa",
    ],
    [WeightPrecision.bf16, .q8, .q4])
  func slicesChangeNoBitOfRoundedWeights(model: String, weights: WeightPrecision) throws {
    try expectSameBits(model, base: Layout(weights: weights), layouts: Self.someLayouts)
  }

  /// Gated DeltaNet by heads: key heads for each rank, key heads that several ranks share, and ranks without any.
  @Test(arguments: Golden.deltas, [WeightPrecision.auto, .q8, .q4])
  func slicesOfRecurrentStatesChangeNoBit(model: String, weights: WeightPrecision) throws {
    let golden = try Golden(model)
    let scored = [try golden.scoredIDs(2), Array(try golden.scoredIDs(1).prefix(9))]
    let prompts = [try golden.prompt(0), try golden.prompt(2)]
    func result(_ layout: Layout) throws -> RunResult {
      try run(model: golden.folder, scored: scored, prompts: prompts, newTokens: 20, layout: layout)
    }
    let expected = try result(Layout(weights: weights))
    for var layout in Self.layouts {
      layout.weights = weights
      #expect(try result(layout) == expected, "\(layout)")
      layout.movesExperts = layout.ranks % 2 == 1 && model != "qwen3_5"
      if layout.movesExperts { #expect(try result(layout) == expected, "\(layout)") }
    }
  }

  /// Wide enough that ranks round their own columns before these travel: of values on three ranks, of the dense layer
  /// on others.
  @Test(arguments: [WeightPrecision.q8, .q4, .bf16, .mixed])
  func rowsThatTravelRoundedChangeNoBit(weights: WeightPrecision) throws {
    let model = Golden.fixtures.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Sources/Model/DemoModel/demo-model").path
    let prompts = [(0..<40).map { Int32(3 + $0 * 37 % 1000) }, [5, 6, 7]]
    func result(_ layout: Layout) throws -> RunResult {
      try run(model: model, scored: prompts, prompts: prompts, newTokens: 6, layout: layout)
    }
    let expected = try result(Layout(weights: weights))
    for ranks in [2, 3, 4, 7] {
      let found = try result(Layout(ranks: ranks, threads: 1 + ranks % 2, weights: weights, sharing: .sliced))
      #expect(found == expected, "\(ranks) ranks")
    }
  }

  @Test(arguments: ["qwen3_moe", "deepseek_v3"])
  func sampledSequencesAreTheSame(model: String) throws {
    let golden = try Golden(model)
    let prompts = [try golden.prompt(1), try golden.prompt(0), try golden.prompt(1)]
    var sampling = SamplingParameters()
    (sampling.temperature, sampling.topP, sampling.repetitionPenalty, sampling.seed) = (1.5, 0.95, 1.2, 11)
    func drawn(_ layout: Layout) throws -> [[Int32]] {
      try run(
        model: golden.folder, scored: [], prompts: prompts, newTokens: 12, layout: layout, sampling: sampling
      ).greedy
    }
    let expected = try drawn(Layout())
    for layout in Self.layouts { #expect(try drawn(layout) == expected, "\(layout)") }
  }

  /// What became of prompts that begin alike, in a cache too small for all of them at once; and what was sent.
  private struct Served {
    var drawn: [[SampledToken]] = []
    var vectors: [[Float]] = []
    var cachedTokens = 0
    var preempted = 0
    var account: AccountOfRun?
    var status: ClusterStatus?
    var memory: [Int] = []
  }

  private func serve(
    _ model: String, ranks: Int, _ layout: RankLayout, cacheTokens: Int, speculation: SpeculationMode = .off
  ) throws -> Served {
    let golden = try Golden(model)
    // Those models have a vocabulary of 64.
    let tokens: Int32 = Golden.deltas.contains(model) ? 60 : 250
    let results = try LocalFabric.run(size: ranks) { communicator -> Served? in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.layout) = (1, cacheTokens, layout)
      (options.speculation.mode, options.speculation.adapts) = (speculation, false)
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      var served = Served()
      var (drawn, vectors): ([SequenceID: [SampledToken]], [SequenceID: [Float]]) = ([:], [:])
      var ids: [SequenceID] = []
      for i in 0..<4 {
        let prompt = (0..<(64 + 9 * Int32(i))).map { $0 < 64 ? $0 * 7 % tokens : ($0 * 5 + Int32(i)) % tokens }
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (i % 2 == 0 ? 0 : 0.9, UInt64(i))
        var request = GenerationRequest(
          prompt: prompt, task: .generate(maxNewTokens: 40, sampling: sampling, stopTokens: []))
        request.details.topLogprobs = 2
        ids.append(try loop.submit(request))
        ids.append(try loop.submit(GenerationRequest(prompt: prompt, task: .embed(i % 2 == 0 ? .mean : .last))))
      }
      while loop.hasWork {
        for event in try loop.step() {
          switch event {
          case .started(_, let count): served.cachedTokens += count
          case .token(let id, let token, _): drawn[id, default: []].append(token)
          case .embedded(let id, let values): vectors[id] = values
          case .failed(_, let reason): throw InferenceError.sequenceFailed(reason)
          case .scored: break
          }
        }
      }
      served.drawn = ids.compactMap { drawn[$0] }
      served.vectors = ids.compactMap { vectors[$0] }
      let status = try loop.status()
      (served.preempted, served.status) = (status.preemptions, status)
      served.account = try loop.collectAccounts()
      served.memory = session.model.report.memoryByRank
      try loop.stop()
      return served
    }
    return try #require(results[0])
  }

  @Test(arguments: ["deepseek_v3", "qwen3_moe", "deepseek_v32", "qwen3_next"], [2, 3])
  func sharedBeginningsPreemptionAndVectorsAreTheSame(model: String, ranks: Int) throws {
    let expected = try serve(model, ranks: 1, .spread, cacheTokens: 4096)
    #expect(expected.drawn.count == 4 && expected.vectors.count == 4)
    // In some of these caches a sequence has to make room for another.
    var preempted = 0
    for blocks in 5...9 {
      let found = try serve(model, ranks: ranks, .sliced, cacheTokens: 32 * blocks)
      #expect(found.drawn == expected.drawn)
      #expect(found.vectors.map { $0.map(\.bitPattern) } == expected.vectors.map { $0.map(\.bitPattern) })
      #expect(found.cachedTokens > 0)
      #expect(try #require(found.status).ranks.map(\.blocks) == Array(repeating: blocks, count: ranks))
      preempted += found.preempted
    }
    #expect(preempted > 0)
    guard !Golden.deltas.contains(model) else { return }
    let drafted = try serve(model, ranks: ranks, .sliced, cacheTokens: 4096, speculation: .lookup)
    #expect(drafted.drawn == expected.drawn && drafted.vectors == expected.vectors)
  }

  @Test func whatRanksSendEachOtherIsCounted() throws {
    let spread = try serve("deepseek_v3", ranks: 2, .spread, cacheTokens: 4096)
    let sliced = try serve("deepseek_v3", ranks: 2, .sliced, cacheTokens: 4096)
    func sent(_ served: Served) throws -> [Traffic] {
      try #require(served.account).ranks.map { rank in
        rank.kinds.reduce(into: Traffic()) { sum, kind in for one in kind.sent { sum += one } }
      }
    }
    #expect(try sent(spread).allSatisfy { $0.gatherPayload == 0 && $0.dispatchPayload > 0 })
    for traffic in try sent(sliced) {
      #expect(traffic.gatherPayload > 0 && traffic.gatherMetadata == 64 * traffic.messages)
      #expect(traffic.dispatchPayload == 0 && traffic.combinePayload == 0)
    }
    #expect(try #require(sliced.status).bytesSent > 0)
    #expect(zip(sliced.memory, spread.memory).allSatisfy { $0 < $1 }, "\(sliced.memory) \(spread.memory)")
  }

  /// The first error of ranks that start with these options; nil where they start.
  private func refusal(_ model: String, ranks: Int = 2, _ change: @escaping @Sendable (inout SessionOptions) -> Void)
    throws -> String?
  {
    let golden = try Golden(model)
    let results = try LocalFabric.run(size: ranks) { communicator -> String? in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.layout) = (1, 64, .sliced)
      change(&options)
      do {
        let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
        #expect(!session.isSliced)
        return nil
      } catch { return "\(error)" }
    }
    return results[0]
  }

  /// A rank keeps the matrices of its own heads only, and a share of the rest.
  @Test(arguments: Golden.deltas) func ranksDivideRecurrentStates(model: String) throws {
    let golden = try Golden(model)
    let description = try ModelConfiguration.read(try CheckpointFormat.open(golden.folder))
    let whole = StateCache.slotByteCount(description)
    for ranks in [2, 3, 4, 8] {
      let parts = (0..<ranks).map {
        StateCache.slotByteCount(description.sliced(ModelSlice(rank: $0, of: ranks, dividesExperts: true)))
      }
      // Each of four value heads' matrices is on one rank, and the window of channels goes with them.
      #expect(parts.reduce(0, +) >= whole && (parts.max() ?? 0) <= whole * 5 / 8, "\(parts) of \(whole)")
    }
  }

  @Test func optionsThatDoNotGoTogetherAreRefusedOnAllRanks() throws {
    #expect(try #require(try refusal("deepseek_v3") { $0.sums = .bfloat16 }).contains("--combine-format bf16"))
    #expect(try refusal("deepseek_v3") { ($0.layout, $0.sums) = (.auto, .bfloat16) } == nil)
    // One rank has nothing to share out.
    #expect(try refusal("deepseek_v3", ranks: 1) { _ in } == nil)
  }
}
