import EngineAPI
import Fabric
import MoEModel
import Testing

@testable import Inference

/// What a run refuses, and that it goes on afterwards.
struct GenerationLoopTests {
  private func session(_ model: String = "qwen3", cacheTokens: Int = 64) throws -> GenerationSession {
    var options = SessionOptions()
    options.threadsPerRank = 1
    options.cacheTokens = cacheTokens
    return try GenerationSession(
      model: try Golden(model).folder, options: options, communicator: LocalCommunicator.solo()
    ) { _ in }
  }

  private func generate(_ prompt: [Int32], _ count: Int, _ sampling: SamplingParameters = .init()) -> GenerationRequest
  {
    GenerationRequest(prompt: prompt, task: .generate(maxNewTokens: count, sampling: sampling, stopTokens: []))
  }

  private func tokens(_ loop: GenerationLoop) throws -> [SequenceID: [Int32]] {
    var tokens: [SequenceID: [Int32]] = [:]
    while loop.hasWork {
      for case .token(let id, let token, _) in try loop.step() { tokens[id, default: []].append(token.token) }
    }
    return tokens
  }

  @Test func requestsThatCannotBeCarriedOutAreErrorsThatNameThem() throws {
    // The loop holds all it needs: the session itself is gone at once.
    let loop = try session().makeLoop()
    let long = [Int32](repeating: 1, count: 40_960)
    var hot = SamplingParameters()
    hot.temperature = -1
    let score = { (prompt: [Int32]) in GenerationRequest(prompt: prompt, task: .score(ScoringOptions())) }
    let cases: [(GenerationRequest, InferenceError)] = [
      (generate([], 1), .emptyPrompt(index: 8)), (score([]), .emptyPrompt(index: 8)),
      (generate(long, 1), .noRoomToContinue(index: 8, tokens: 40_960, limit: 40_960)),
      (score(long + [1]), .promptTooLong(index: 8, tokens: 40_961, limit: 40_960)),
      (generate([1, 512], 1), .tokenOutsideVocabulary(index: 8, position: 1, token: 512, vocabularySize: 512)),
      (generate([-1], 1), .tokenOutsideVocabulary(index: 8, position: 0, token: -1, vocabularySize: 512)),
      (
        score([0, 1, .max]), .tokenOutsideVocabulary(index: 8, position: 2, token: Int(Int32.max), vocabularySize: 512)
      ),
      (generate([Int32](repeating: 1, count: 60), 6), .cacheTooSmall(index: 8, tokens: 65, capacity: 64)),
      (generate([1], .max), .cacheTooSmall(index: 8, tokens: 40_959, capacity: 64)),
      (score([Int32](repeating: 1, count: 65)), .cacheTooSmall(index: 8, tokens: 65, capacity: 64)),
      (generate([1], 1, hot), .invalidSampling(name: "temperature", value: -1, lower: 0, upper: 100)),
    ]
    for (request, error) in cases {
      #expect(throws: error) { try loop.submit(request, index: 8) }
      #expect(!loop.hasWork)
    }
    let id = try loop.submit(generate([Int32](repeating: 1, count: 60), 5))
    #expect(try tokens(loop)[id]?.count == 5)
  }

  @Test func aCancelledSequenceLeavesItsMatesAndItsMemoryAlone() throws {
    let golden = try Golden("qwen3_moe")
    let prompt = try golden.prompt(2)
    let session = try session("qwen3_moe", cacheTokens: 96)
    let loop = session.makeLoop()
    let cancelled = try loop.submit(generate(prompt, 16))
    let kept = try loop.submit(generate(prompt, 16))
    for _ in 0..<4 { _ = try loop.step() }
    loop.cancel(cancelled)
    loop.cancel(cancelled)
    loop.cancel(SequenceID(99))
    #expect(try tokens(loop)[kept]?.suffix(12) == golden.greedy(2).prefix(16).suffix(12))
    // All three blocks are needed, and free.
    let whole = try loop.submit(generate(try golden.prompt(4), 27))
    #expect(try tokens(loop)[whole] == Array(golden.greedy(4).prefix(27)))
    loop.cancel(whole)
    #expect(loop.scheduler.pools[0].availableCount == 3)
    _ = try loop.submit(generate(prompt, 2))
    _ = try loop.step()
    #expect(loop.scheduler.pools[0].availableCount == 2)
  }

  @Test func aPlanThatContradictsWhatARankHoldsIsRefused() throws {
    let session = try session()
    let admission = StepPlan.Admission(
      id: SequenceID(1), home: Rank(0), tokens: [1, 2, 3], promptCount: 3, cachedCount: 0, blocks: [1])
    func item(_ id: Int32, _ start: Int, _ count: Int) -> StepPlan.Item {
      StepPlan.Item(id: SequenceID(id), home: Rank(0), start: start, count: count, outputs: .last)
    }
    for items in [[item(2, 0, 1)], [item(1, 0, 4)], [item(1, 1 << 20, 1)], [item(1, 0, 1), item(1, 1, 1)]] {
      var plan = StepPlan()
      plan.admissions = [admission]
      plan.items = items
      #expect(throws: InferenceError.self) { try session.engine.execute(plan) }
    }
    for token in [-1, 512, .max] as [Int32] {
      var plan = StepPlan()
      plan.admissions = [admission]
      plan.admissions[0].tokens = [1, token]
      plan.items = [item(1, 0, 2)]
      #expect(throws: InferenceError.self) { try session.engine.execute(plan) }
    }
    for blocks in [[], [2], [-1], [0, .max]] as [[Int32]] {
      var plan = StepPlan()
      plan.admissions = [admission]
      plan.admissions[0].blocks = blocks
      plan.items = [item(1, 0, 3)]
      #expect(throws: InferenceError.self) { try session.engine.execute(plan) }
    }
    var plan = StepPlan()
    plan.releases = [SequenceID(1), SequenceID(1), SequenceID(5)]
    plan.growths = [StepPlan.Growth(id: SequenceID(1), block: 99)]
    #expect(throws: Never.self, "what is of no sequence here is another rank's") { try session.engine.execute(plan) }
  }
}
