import EngineAPI
import Fabric
import Foundation
import ModelRuntime
import Tensors
import TestSupport
import Testing

@testable import Inference

/// A session goes on with other weights: with their bits, and with nothing in its cache of those before.
struct ModelReplacementTests {
  private let folder = TemporaryFolder()

  /// The tokens drawn after each prompt before the change, after it, and after a change back.
  private func tokens(
    _ models: [String], prompts: [[Int32]], ranks: Int
  ) throws -> (drawn: [[[Int32]]], cached: [Int], failures: [String]) {
    let found = try LocalFabric.run(size: ranks) { communicator -> ([[[Int32]]], [Int], [String])? in
      var options = SessionOptions()
      options.threadsPerRank = 1
      options.cacheTokens = 1024
      let session = try GenerationSession(model: models[0], options: options, communicator: communicator) { _ in }
      guard communicator.isRoot else {
        try session.follow()
        return nil
      }
      let loop = session.makeLoop()
      var (drawn, cached, failures): ([[[Int32]]], [Int], [String]) = ([], [], [])
      func run() throws {
        var byID: [SequenceID: [Int32]] = [:]
        var ids: [SequenceID] = []
        for prompt in prompts {
          ids.append(
            try loop.submit(
              GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: 8, sampling: .init(), stopTokens: []))))
        }
        cached.append(0)
        while loop.hasWork {
          for event in try loop.step() {
            switch event {
            case .started(_, let count): cached[cached.count - 1] += count
            case .token(let id, let token, _): byID[id, default: []].append(token.token)
            default: break
            }
          }
        }
        drawn.append(ids.map { byID[$0] ?? [] })
      }
      try run()
      try run()
      for model in models.dropFirst() {
        do { try loop.loadModel(model) } catch { failures.append("\(error)") }
        try run()
      }
      try loop.stop()
      return (drawn, cached, failures)
    }
    return found.compactMap(\.self)[0]
  }

  /// Prompts long enough to fill cache blocks.
  private func prompts(_ golden: Golden) throws -> [[Int32]] {
    let prompt = try golden.prompt(0)
    return [Array((0..<40).map { prompt[$0 % prompt.count] }), try golden.prompt(1)]
  }

  @Test(arguments: [1, 2])
  func whatFollowsIsWhatTheOtherWeightsGive(ranks: Int) throws {
    let golden = try Golden("deepseek_v3")
    var negated = try RewrittenCheckpoint(golden)
    let norm = "model.norm.weight"
    negated.tensors[norm] = negated.tensors[norm].map { .init($0.floats.map { -$0 }, $0.shape, as: .float32) }
    let prompts = try prompts(golden)
    try negated.written { other in
      let found = try tokens([golden.folder, other, golden.folder], prompts: prompts, ranks: ranks)
      let alone = try tokens([other], prompts: prompts, ranks: 1)
      #expect(found.failures.isEmpty)
      #expect(found.drawn[0] == found.drawn[1] && found.drawn[3] == found.drawn[0])
      #expect(found.drawn[2] == alone.drawn[0] && found.drawn[2] != found.drawn[0])
      // The second run finds the first prompt's blocks, the runs after a change nothing.
      #expect(found.cached[0] == 0 && found.cached[1] > 0 && found.cached[2] == 0 && found.cached[3] == 0)
    }
  }

  @Test func whatCannotBeLoadedLeavesTheModelAsItWas() throws {
    let golden = try Golden("deepseek_v3")
    let prompts = try prompts(golden)
    let found = try tokens(
      [golden.folder, folder.file("none"), try Golden("qwen3_moe").folder], prompts: prompts, ranks: 2)
    #expect(found.failures.count == 2)
    #expect(found.failures.first?.contains("is not a folder") == true, "\(found.failures)")
    #expect(found.failures.last?.contains("this run was started for") == true, "\(found.failures)")
    #expect(found.drawn.allSatisfy { $0 == found.drawn[0] })
  }

  @Test func sequencesMustEndBeforeOtherWeightsCome() throws {
    let golden = try Golden("deepseek_v3")
    var options = SessionOptions()
    options.threadsPerRank = 1
    let session = try GenerationSession(
      model: golden.folder, options: options, communicator: LocalCommunicator.solo()
    ) { _ in }
    let loop = session.makeLoop()
    _ = try loop.submit(
      GenerationRequest(
        prompt: try golden.prompt(0), task: .generate(maxNewTokens: 4, sampling: .init(), stopTokens: [])))
    _ = try loop.step()
    #expect(throws: InferenceError.sequencesUnderWay(1)) { try loop.loadModel(golden.folder) }
    while loop.hasWork { _ = try loop.step() }
    try loop.loadModel(golden.folder)
    try loop.stop()
  }
}
