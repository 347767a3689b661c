import Checkpoints
import EngineAPI
import Evaluation
import MoEModel
import ModelText
import TestSupport
import Testing

@testable import Answering

/// The calls of tasks as requests to the engine.
@Suite struct EngineQuestionsTests {
  private static let folder = FamilyFixtures.folder("deepseek_v3")
  private let checkpoint: any Checkpoint
  private var description: DecoderDescription
  private let codec = TextCodec(folder: folder)

  init() throws {
    checkpoint = try CheckpointFormat.open(Self.folder)
    description = try ModelConfiguration.read(checkpoint)
  }

  private func questions(_ calls: [ModelCall], isChat: Bool = false) throws -> EngineQuestions {
    try EngineQuestions(calls, codec: codec, checkpoint: checkpoint, description: description, isChat: isChat)
  }

  @Test func aPromptIsOneRequestWithTheTasksSettings() throws {
    var settings = GenerationSettings()
    settings.maxNewTokens = 7
    let asked = try questions([.generate(prompt: "one two", settings: settings, seed: 42)])
    let part = try #require(asked.parts.first)
    #expect(asked.parts.count == 1 && asked.refusals.isEmpty && asked.prompts == ["one two"])
    guard case .generate(let limit, let sampling, _) = part.request.task else {
      Issue.record("a request that generates nothing")
      return
    }
    #expect(limit == 7 && sampling.seed == 42)
    #expect(asked.cacheTokens(sequences: 4, ranks: 1, type: .f32) >= part.request.capacity)
  }

  @Test func aContinuationIsARequestInWhichOnlyItsOwnTokensCount() throws {
    let asked = try questions([.score(context: "one two", continuations: [" three", " four five"])])
    #expect(asked.parts.map(\.call) == [0, 0] && asked.parts.map(\.index) == [0, 1])
    for part in asked.parts {
      #expect(part.firstCounted > 0 && part.firstCounted < part.request.prompt.count - 1)
    }
    #expect(asked.parts[0].firstCounted == asked.parts[1].firstCounted)
  }

  /// As lm-evaluation-harness has it.
  @Test func blanksAtTheContextsEndBelongToTheContinuation() throws {
    let calls: [ModelCall] = [
      .score(context: "one two ", continuations: ["three"]), .score(context: "one two", continuations: [" three"]),
    ]
    let parts = try questions(calls).parts
    #expect(parts.count == 2 && parts[0].request.prompt == parts[1].request.prompt)
    #expect(parts[0].firstCounted == parts[1].firstCounted)
  }

  @Test func aLongTextIsWindowsThatReadOneTokenOfTheOneBefore() throws {
    var test = self
    test.description.maximumPositions = 8
    let text = String(repeating: "one two three ", count: 12)
    let windows = try test.questions([.measure(text: text)]).parts.map(\.request.prompt)
    #expect(windows.count > 2 && windows.allSatisfy { $0.count <= 8 })
    for (window, next) in zip(windows, windows.dropFirst()) { #expect(window.last == next.first) }
  }

  @Test func whatCannotBeAskedIsRefusedAlone() throws {
    let asked = try questions([
      .score(context: "one", continuations: [" two", ""]), .measure(text: "one two three"),
    ])
    #expect(asked.refusals == [0: "its continuation has no token of its own"])
    #expect(asked.parts.map(\.call) == [1])
  }

  @Test func aChatIsAskedAsItsTemplateLaysItOut() throws {
    let call = ModelCall.generate(prompt: "one", settings: GenerationSettings(), seed: 1)
    let laidOut = try #require(try questions([call], isChat: true).prompts.first)
    #expect(laidOut.contains("one") && laidOut.count > 3)
  }
}
