import EngineAPI
import Fabric
import ModelRuntime
import MoEModel
import Telemetry
import Testing

@testable import Inference

/// What holds for the drafts of every prediction module, wherever its checkpoint keeps it.
extension ModuleReading {
  /// Texts of which the first is long enough for some blocks, and drafts often wrong.
  private static let requests: RequestMaker = {
    var sampling = SamplingParameters()
    (sampling.temperature, sampling.seed) = (0.9, 3)
    return [45, 9, 9].enumerated().map { (i: Int, count: Int) -> GenerationRequest in
      let prompt = (0..<count).map { (place: Int) -> Int32 in Int32((place * 31 + i) % 60) }
      return GenerationRequest(
        prompt: prompt, task: .generate(maxNewTokens: 50, sampling: sampling, stopTokens: []))
    }
  }

  /// Holds texts to those without drafts, and each draft to what the module guesses of the whole text.
  static func holdDrafts(of folder: String, _ layouts: [SpeculatedLayout]) throws {
    let plain = try speculate(model: folder, SpeculatedLayout(), requests)
    let text = requests()[0].prompt + plain.tokens[0]
    let expected = try ModuleReading(of: folder, text).guesses
    for layout in layouts {
      let run = try speculate(model: folder, layout, requests)
      let counts = run.speculation
      #expect(run.drawn == plain.drawn && run.failures == [nil, nil, nil], "\(layout)")
      #expect(counts.draftedCount > 0 && counts.acceptedCount <= counts.draftedCount, "\(layout)")
      #expect(run.guesses.count > 10, "\(layout)")
      for (count, guess) in run.guesses {
        #expect(guess == expected[count - 2], "\(layout), after \(count) tokens")
      }
    }
  }

  /// 41 tokens that are the likeliest after each prompt.
  static func likeliest(after prompts: [[Int32]]) -> RequestMaker {
    {
      prompts.map {
        GenerationRequest(prompt: $0, task: .generate(maxNewTokens: 41, sampling: .init(), stopTokens: []))
      }
    }
  }

  /// Of a folder whose head is zeros: model and module say the lowest id for ever, and each draft is right.
  @discardableResult
  static func holdRightDrafts(
    of folder: String, _ layout: SpeculatedLayout, after prompts: [[Int32]] = [[1, 2, 3]]
  ) throws -> SpeculatedRun {
    let run = try speculate(model: folder, layout, likeliest(after: prompts))
    #expect(run.tokens == Array(repeating: Array(repeating: 0, count: 41), count: prompts.count))
    #expect(run.steps == 1 + 20 && run.speculation.acceptance == 1 && run.speculation.runLength == 2)
    return run
  }

  /// Of a folder whose module is held in fewer bits: it still guesses much as it did.
  static func holdRounded(_ folder: String, as weights: WeightPrecision, _ twin: PredictionFixture) throws {
    let expected = greatest(twin.logits, of: 64)
    let found = try ModuleReading(of: folder, twin.ids, weights: weights).guesses
    let same = zip(found, expected).count { $0 == $1 }
    #expect(same > expected.count / (weights == .q8 ? 2 : 6), "\(same) of \(expected.count)")
  }

  /// Why the model does not run on so many ranks; empty where it does. Of several with the ranks that say so.
  static func failure(of folder: String, _ mode: SpeculationMode, ranks: Int = 1) -> String {
    do {
      _ = try speculate(model: folder, SpeculatedLayout(mode: mode, ranks: ranks)) { [] }
      return ""
    } catch FabricError.peersFailed(let failures) {
      return failures.map { "\($0.ranks.map(\.index)) \($0.message)" }.joined(separator: "\n")
    } catch { return ranks == 1 ? "\(error)" : "not agreed on: \(error)" }
  }

  /// A module that is not whole is refused by `name`; who does not need it runs as before.
  static func holdRefusal(of folder: String, naming name: some StringProtocol, ranks: Int = 1) throws {
    func failure(_ mode: SpeculationMode) -> String { Self.failure(of: folder, mode, ranks: ranks) }
    #expect(failure(.mtp).contains(name), "\(name): \(failure(.mtp))")
    #expect(failure(.off) == "" && failure(.lookup) == "", "\(name)")
    let run = try speculate(model: folder, SpeculatedLayout(mode: .auto)) { [] }
    #expect(run.notes.contains { $0.contains("is not whole") }, "\(name): \(run.notes)")
  }
}
