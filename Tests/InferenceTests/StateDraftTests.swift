import Checkpoints
import EngineAPI
import Fabric
import ModelRuntime
import MoEModel
import Telemetry
import Testing

@testable import Inference

/// Drafts where layers keep recurrent states: what a wrong one was folded into is gone before the next step.
struct StateDraftTests {
  static let models = Golden.deltas + Golden.compressed

  /// Texts that repeat themselves, one by force, and others; their lengths end inside of entries and blocks.
  private func requests(temperature: Float, copies: Int = 4, count: Int = 45) -> RequestMaker {
    {
      (0..<copies).map { i in
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (temperature, UInt64(7 + i))
        if i == 1 { (sampling.repetitionPenalty, sampling.frequencyPenalty) = (1.3, 0.4) }
        let part = (0..<Int32(5 + i)).map { (3 + $0 * 29 + Int32(i) * 11) % 60 }
        var request = GenerationRequest(
          prompt: i == 3 ? [5] : part + part + part,
          task: .generate(maxNewTokens: count, sampling: sampling, stopTokens: []))
        request.details.topLogprobs = 2
        if i % 4 == 2 { request.logitBias = [37: 1000] }
        // Of two or three tokens alone, what came before says what comes next, and is often wrong.
        if i % 4 == 1 { request.logitBias = [37: 1000, 38: 1000, 39: 1000] }
        if i % 4 == 0 { request.logitBias = [41: 1000, 42: 1000] }
        return request
      }
    }
  }

  @Test(arguments: models, [0, 0.8] as [Float])
  func noDraftChangesABit(model: String, temperature: Float) throws {
    let folder = try Golden(model).folder
    let make = requests(temperature: temperature)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    var layouts = [
      SpeculatedLayout(mode: .lookup), SpeculatedLayout(mode: .lookup, draftTokens: 15, ranks: 3),
      SpeculatedLayout(mode: .auto, draftTokens: 1, ranks: 2),
      SpeculatedLayout(mode: .lookup, draftTokens: 7, batchTokens: 9),
      // Thrown out again and again, to go on from a snapshot.
      SpeculatedLayout(mode: .lookup, draftTokens: 5, cacheTokens: 160),
      SpeculatedLayout(mode: .auto, adapts: true),
    ]
    if Golden.deltas.contains(model) {
      var layout = SpeculatedLayout(mode: .lookup, draftTokens: 4, ranks: 2)
      layout.sharing = .sliced
      layouts.append(layout)
    }
    var wrong = 0
    for layout in layouts {
      let found = try speculate(model: folder, layout, make)
      #expect(found.drawn == plain.drawn && found.finishes == plain.finishes, "\(layout)")
      #expect(found.notes.allSatisfy { !$0.contains("--speculate lookup") })
      guard !layout.adapts else { continue }
      let (drafted, right) = (found.speculation.draftedCount, found.speculation.acceptedCount)
      #expect(right > 0, "\(layout): \(right) of \(drafted)")
      wrong += drafted - right
    }
    #expect(wrong > 0)
  }

  /// A step has room for so many states after drafts; more sequences than that take turns.
  @Test func aStepDraftsNoMoreThanThereAreStatesFor() throws {
    let folder = try Golden("deepseek_v4_saved").folder
    let make = requests(temperature: 0, copies: 14, count: 20)
    let plain = try speculate(model: folder, SpeculatedLayout(), make)
    let found = try speculate(model: folder, SpeculatedLayout(mode: .lookup, draftTokens: 3), make)
    #expect(found.drawn == plain.drawn && found.speculation.acceptedCount > 0)
    let description = try ModelConfiguration.read(CheckpointFormat.open(Golden("deepseek_v4_saved").folder))
    var options = SessionOptions()
    #expect(options.spareStateCount(description) == 0)
    let without = options.cacheByteCount(description, cacheBlocks: 3)
    for (mode, tokens, count) in [(SpeculationMode.lookup, 3, 8), (.auto, 15, 15), (.mtp, 15, 0)] {
      (options.speculation.mode, options.speculation.draftTokens) = (mode, tokens)
      #expect(options.spareStateCount(description) == count, "\(mode)")
      let more = options.cacheByteCount(description, cacheBlocks: 3) - without
      #expect(more == count * StateCache.slotByteCount(description))
      #expect(options.limits(description, cacheBlocks: 3).draftedStates == count)
    }
  }

  /// Of models without such states nothing is set aside, and no draft is left out.
  @Test func modelsThatKeepPositionsHaveNone() throws {
    let description = try ModelConfiguration.read(CheckpointFormat.open(Golden("qwen3_moe").folder))
    var options = SessionOptions()
    options.speculation.mode = .lookup
    #expect(options.spareStateCount(description) == 0)
    let folder = try Golden("qwen3_moe").folder
    let run = try speculate(
      model: folder, SpeculatedLayout(mode: .lookup, draftTokens: 15), requests(temperature: 0, copies: 14, count: 20))
    #expect(run.speculation.drafted.count == 15)
  }
}
