import Checkpoints
import EngineAPI
import Fabric
import Foundation
import JSON
import ModelRuntime
import MoEModel
import Telemetry
import Testing

@testable import Inference

/// Drafts change how many steps a text takes, and not a bit of it.
struct SpeculationTests {
  private static let demo = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Sources/Model/DemoModel/demo-model").path

  static let layouts: [SpeculatedLayout] = [
    SpeculatedLayout(mode: .lookup, ranks: 1), SpeculatedLayout(mode: .lookup, draftTokens: 15, ranks: 3),
    SpeculatedLayout(mode: .auto, ranks: 2), SpeculatedLayout(mode: .auto, draftTokens: 1, ranks: 3),
    SpeculatedLayout(mode: .auto, draftTokens: 7, ranks: 1, batchTokens: 9),
    SpeculatedLayout(mode: .auto, ranks: 1, adapts: true),
  ]

  /// Prompts that repeat themselves and others; log-probabilities are told too.
  private func requests(temperature: Float, count: Int = 40) -> RequestMaker {
    {
      (0..<4).map { i in
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (temperature, UInt64(7 + i))
        // One with penalties, which depend on all tokens before.
        if i == 1 { (sampling.repetitionPenalty, sampling.frequencyPenalty) = (1.3, 0.4) }
        let part = (0..<Int32(5 + i)).map { (3 + $0 * 29 + Int32(i) * 11) % 200 }
        var request = GenerationRequest(
          prompt: i == 3 ? [5] : part + part + part,
          task: .generate(maxNewTokens: count, sampling: sampling, stopTokens: []))
        request.details.topLogprobs = 2
        // One that can only repeat itself.
        if i == 2 { request.logitBias = [77: 1000] }
        return request
      }
    }
  }

  @Test(
    arguments: ["deepseek_v3_fp8", "glm4_moe_lite", "qwen3_moe", "gpt_oss_mxfp4", "minimax_m2", "qwen3"],
    [0, 0.8] as [Float])
  func noDraftChangesABit(model: String, temperature: Float) throws {
    let folder = try Golden(model).folder
    let make = requests(temperature: temperature)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    #expect(plain.speculation.isEmpty && plain.tokens.map(\.count) == [40, 40, 40, 40])
    var layouts = Self.layouts
    if ["deepseek_v3_fp8", "glm4_moe_lite"].contains(model) {
      layouts += (1...3).map { SpeculatedLayout(mode: .mtp, ranks: $0) }
      // All of the module divided, and its experts whole.
      layouts += zip([2, 3, 4, 8], [false, true, false, true]).map { ranks, movesExperts in
        var layout = SpeculatedLayout(mode: ranks == 3 ? .auto : .mtp, ranks: ranks)
        (layout.sharing, layout.movesExperts) = (.sliced, movesExperts)
        return layout
      }
    }
    for layout in layouts {
      let found = try speculate(model: folder, layout, make)
      #expect(found.drawn == plain.drawn && found.finishes == plain.finishes, "\(layout)")
      guard !layout.adapts else { continue }
      #expect(found.speculation.draftedCount > 0, "\(layout)")
      if layout.mode != .mtp { #expect(found.speculation.acceptedCount > 0, "\(layout)") }
    }
  }

  @Test func theDemonstrationModelSaysTheSameInFewerSteps() throws {
    let make: RequestMaker = {
      let words: [Int32] = [12, 40, 7, 91, 33, 250, 18, 5]
      return [
        GenerationRequest(
          prompt: words + words + words, task: .generate(maxNewTokens: 60, sampling: .init(), stopTokens: [])),
        GenerationRequest(prompt: words, task: .generate(maxNewTokens: 60, sampling: .init(), stopTokens: [])),
      ]
    }
    let plain = try speculate(model: Self.demo, SpeculatedLayout(), make)
    for ranks in 1...3 {
      let found = try speculate(model: Self.demo, SpeculatedLayout(mode: .lookup, ranks: ranks), make)
      #expect(found.drawn == plain.drawn)
      #expect(found.steps <= plain.steps)
      #expect(found.speculation.with.tokens + found.speculation.without.tokens == 118, "all but the prompts' own")
    }
  }

  /// A sequence that can only repeat one token: every draft of it is right.
  private func repeating(_ count: Int, stop: Set<Int32> = [], prompt: [Int32] = [9, 8, 77, 77, 77, 77]) -> RequestMaker
  {
    {
      var request = GenerationRequest(
        prompt: prompt, task: .generate(maxNewTokens: count, sampling: .init(), stopTokens: stop))
      request.logitBias = [77: 1000]
      return [request]
    }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6, 9, 32, 33])
  func aTextEndsAtItsLengthInsideOfDrafts(count: Int) throws {
    let folder = try Golden("qwen3_moe").folder
    let run = try speculate(
      model: folder, SpeculatedLayout(mode: .lookup, draftTokens: 4, cacheTokens: 128), repeating(count))
    #expect(run.tokens == [Array(repeating: 77, count: count)] && run.finishes == [.length])
    // One by the prompt, five by each step with four drafts.
    #expect(run.steps == 1 + (count - 1 + 4) / 5)
    #expect(run.speculation.acceptance == 1 || count < 3)
  }

  @Test func aTextEndsWithTheContext() throws {
    var rewritten = try RewrittenCheckpoint(try Golden("qwen3_moe"))
    rewritten.config["max_position_embeddings"] = .int(23)
    try rewritten.written { folder in
      let run = try speculate(model: folder, SpeculatedLayout(mode: .lookup, draftTokens: 7), repeating(1000))
      #expect(run.tokens == [Array(repeating: 77, count: 17)] && run.finishes == [.length])
    }
  }

  @Test(arguments: ["qwen3_moe", "deepseek_v3_fp8"])
  func aStopTokenEndsATextWhereverItComes(model: String) throws {
    let folder = try Golden(model).folder
    let make = requests(temperature: 0)
    let plain = try speculate(model: folder, SpeculatedLayout(), make).tokens
    for place in [1, 2, 5, 11, 23] {
      let stopping: RequestMaker = {
        make().enumerated().map { i, request in
          var request = request
          guard case .generate(let count, let sampling, _) = request.task else { return request }
          request.task = .generate(maxNewTokens: count, sampling: sampling, stopTokens: [plain[i][place]])
          return request
        }
      }
      let expected = try speculate(model: folder, SpeculatedLayout(), stopping)
      #expect(expected.finishes.allSatisfy { $0 == .stop })
      for mode in [SpeculationMode.lookup, .auto] {
        let found = try speculate(model: folder, SpeculatedLayout(mode: mode, draftTokens: 6, ranks: 2), stopping)
        #expect(found.drawn == expected.drawn && found.finishes == expected.finishes, "\(mode) at \(place)")
      }
    }
  }

  @Test func sequencesMakeRoomForOthersAndGoOn() throws {
    let folder = try Golden("glm4_moe_lite").folder
    let make = requests(temperature: 0, count: 90)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    for mode in [SpeculationMode.lookup, .mtp, .auto] {
      let tight = try speculate(
        model: folder, SpeculatedLayout(mode: mode, draftTokens: 5, ranks: 1, cacheTokens: 224), make)
      #expect(tight.drawn == plain.drawn && tight.preempted > 0, "\(mode)")
      #expect(tight.speculation.draftedCount > 0)
    }
  }

  @Test func othersGoOnWhenOneIsCancelled() throws {
    let folder = try Golden("deepseek_v3_fp8").folder
    let make = requests(temperature: 0)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    var layout = SpeculatedLayout(mode: .auto, draftTokens: 5, ranks: 2)
    layout.cancelled = [2: 8, 0: 3]
    let found = try speculate(model: folder, layout, make)
    #expect(found.drawn[1] == plain.drawn[1] && found.drawn[3] == plain.drawn[3])
    #expect(found.drawn[2] == Array(plain.drawn[2].prefix(8)) && found.drawn[0] == Array(plain.drawn[0].prefix(3)))
  }

  /// As after a job that ended, or with tokens of its own before.
  @Test(arguments: [SpeculationMode.lookup, .mtp, .auto])
  func aTextGoesOnAfterTokensDrawnBefore(mode: SpeculationMode) throws {
    let folder = try Golden("glm4_moe_lite").folder
    let make = requests(temperature: 0.7)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    for count in [1, 7, 38] {
      let resumed: RequestMaker = {
        make().enumerated().map { i, request in
          var request = request
          request.sampled = Array(plain.tokens[i].prefix(count))
          return request
        }
      }
      let found = try speculate(model: folder, SpeculatedLayout(mode: mode, ranks: 2), resumed)
      #expect(found.drawn == plain.drawn.map { Array($0.dropFirst(count)) }, "after \(count)")
    }
  }

  @Test func promptsAreScoredAlongside() throws {
    let folder = try Golden("deepseek_v3_fp8").folder
    let make = requests(temperature: 0)
    let scored: RequestMaker = {
      make() + [GenerationRequest(prompt: (0..<50).map { Int32($0 * 5) }, task: .score(ScoringOptions()))]
    }
    let plain = try speculate(model: folder, SpeculatedLayout(), scored)
    let found = try speculate(model: folder, SpeculatedLayout(mode: .auto, ranks: 2, batchTokens: 16), scored)
    #expect(found.drawn == plain.drawn && found.failures == plain.failures)
  }
}
