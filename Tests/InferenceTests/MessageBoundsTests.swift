import Checkpoints
import EngineAPI
import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import ModelRuntime
import Testing

@testable import Inference

/// No step makes a message that is longer than MPI carries, whatever placement comes.
struct MessageBoundsTests {
  @Test func theGreatestStepFitsAndTheNextDoesNot() {
    for (hidden, topK, rows) in [(7168, 8, 8), (7168, 8, 1), (2048, 4, 4), (1, 1, 1), (64, 6, 3)] {
      for tokens in [RowFormat.float32, .bfloat16, .int8] {
        let wire = WireFormat(hiddenSize: hidden, tokens: tokens)
        let bounds = MessageBounds(wire, topK: topK, rows: rows)
        let most = bounds.tokens(atMost: 1 << 40)
        #expect(wire.longestMessage(tokens: most, topK: topK, rows: rows) <= Int(Int32.max))
        #expect(wire.longestMessage(tokens: most + 1, topK: topK, rows: rows) > Int(Int32.max))
        #expect(bounds.tokens(atMost: 512) == min(512, most) && bounds.tokens(atMost: most) == most)
        #expect(bounds.tokens(atMost: .max) == most)
      }
    }
  }

  @Test(arguments: Golden.names + Golden.deltas) func slicesOfAStepFit(model: String) throws {
    let description = try ModelConfiguration.read(try CheckpointFormat.open(try Golden(model).folder))
    for ranks in [2, 3, 8] {
      let counts = [true, false].map { divides in
        let slice = ModelSlice(rank: 0, of: ranks, dividesExperts: divides)
        return MessageBounds(description.sliced(slice), slice: slice, logitRows: 0).tokens(atMost: .max)
      }
      // Where one message has the rows of several ranks, a step has as many tokens less.
      let slice = ModelSlice(rank: 0, of: ranks, dividesExperts: true)
      let four = MessageBounds(description.sliced(slice), slice: slice, logitRows: 0, origins: 4)
        .tokens(atMost: .max)
      #expect((counts[0] / 4 - 1...counts[0] / 4 + 1).contains(four))
      // A token sends one row of the hidden state at least, and no more than all that a model of this size has.
      for count in counts { #expect((1 << 12..<1 << 29).contains(count), "\(count)") }
      // Whole experts of one rank may return a row for each visit.
      #expect(description.moe == nil || counts[1] <= counts[0])
    }
  }

  /// Of two ranks' 512 logits each sends 256, which is more than anything else of this model; but of few tokens.
  @Test func logitsOfAStepFit() throws {
    let description = try ModelConfiguration.read(try CheckpointFormat.open(try Golden("llama").folder))
    let slice = ModelSlice(rank: 0, of: 2, dividesExperts: true)
    func tokens(logitRows: Int, origins: Int = 1) -> Int {
      MessageBounds(description.sliced(slice), slice: slice, logitRows: logitRows, origins: origins)
        .tokens(atMost: .max)
    }
    let fitting = (Int(Int32.max) - 64) / (4 * 256)
    let without = tokens(logitRows: 0)
    #expect(description.vocabularySize == 512 && fitting < without)
    #expect(tokens(logitRows: fitting) == without)
    #expect(tokens(logitRows: fitting + 1) == fitting && tokens(logitRows: .max) == fitting)
    #expect(tokens(logitRows: .max, origins: 4) == (Int(Int32.max) - 64) / (4 * 256 * 4))
    // As many as a session asks for.
    var limits = SchedulerLimits()
    (limits.sequences, limits.scoredRows) = (65536, 512)
    #expect(limits.logitRows == 65536 + 2 * 512)
  }

  /// Experts that were in runs are scattered, and then all of them come to one rank, in a run whose prompts fill its
  /// steps: nothing fails, and no token is another.
  @Test(arguments: [(2, RankLayout.spread), (3, .spread), (2, .sliced), (3, .sliced)])
  func allExpertsComeToOneRankWhileItServes(ranks: Int, layout: RankLayout) throws {
    let golden = try Golden("deepseek_v3")
    let expected = try (0..<3).map { try golden.greedy($0) }
    let found = try LocalFabric.run(size: ranks) { communicator -> [[Int32]] in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens, options.layout, options.batchTokens) = (1, 1024, layout, 64)
      (options.experts.moves, options.experts.replicaShare) = (true, Double(ranks))
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return []
      }
      let loop = session.makeLoop()
      let (layers, experts) = (session.description.moeLayers, session.model.placement.expertCount)
      let rows = session.model.placement.rowLimit
      var drawn: [SequenceID: [Int32]] = [:]
      func submit() throws -> [SequenceID] {
        try (0..<3).map {
          try loop.submit(
            GenerationRequest(
              prompt: try golden.prompt($0), task: .generate(maxNewTokens: 32, sampling: .init(), stopTokens: [])))
        }
      }
      func step() throws {
        for case .token(let id, let token, _) in try loop.step() { drawn[id, default: []].append(token.token) }
      }
      func move(_ holders: (Int) -> Int) throws {
        for layer in layers {
          for expert in 0..<experts {
            let rank = Rank(holders(expert))
            guard session.model.placement[layer].ranks(holding: expert) != [rank] else { continue }
            try loop.command(.moveExperts([ExpertMove(layer: layer, expert: expert, holders: [rank])]))
            if loop.hasWork, expert % 3 == 0 { try step() }
          }
        }
      }
      var ids = try submit()
      try step()
      try move { $0 % ranks }
      #expect(session.model.placement.rowLimit > rows, "a token may come back as more rows than at the start")
      while loop.hasWork { try step() }
      ids += try submit()
      try move { _ in 0 }
      #expect(session.model.placement[layers[0]].expertCount(of: Rank(0)) == experts)
      while loop.hasWork { try step() }
      ids += try submit()
      try move { ($0 / 2) % ranks }
      while loop.hasWork { try step() }
      #expect(session.model.weights.spareExperts.count == session.model.spareExperts[0])
      try loop.stop()
      return ids.map { drawn[$0] ?? [] }
    }
    #expect(found[0] == expected + expected + expected)
  }
}
