import EngineAPI
import Fabric
import MoEModel
import Testing

@testable import Inference

/// Sequences of one prompt, of which one reads it for all.
struct SharedPromptTests {
  private func limits(sequences: Int = 64, blocks: Int = 200, keeps: Bool = true) -> SchedulerLimits {
    var limits = SchedulerLimits()
    (limits.sequences, limits.blocksPerRank, limits.keepsPrefixes) = (sequences, blocks, keeps)
    return limits
  }

  private func prompt(_ count: Int, _ salt: Int32) -> [Int32] { (0..<Int32(count)).map { $0 * 7 + salt } }

  private func generate(_ prompt: [Int32], _ new: Int = 5) -> GenerationRequest {
    GenerationRequest(
      prompt: prompt, task: .generate(maxNewTokens: new, sampling: SamplingParameters(), stopTokens: []))
  }

  /// Prompts with some sequences of each.
  private func scheduler(
    _ limits: SchedulerLimits, ranks: Int = 1, prompts: Int, of size: Int, length: Int, new: Int = 5
  ) -> Scheduler {
    var scheduler = Scheduler(limits: limits, rankCount: ranks)
    for i in 0..<(prompts * size) {
      scheduler.submit(generate(prompt(length, Int32(i / size)), new), id: SequenceID(Int32(i)))
    }
    return scheduler
  }

  @discardableResult
  private func step(_ scheduler: inout Scheduler, _ ledger: inout CacheLedger) -> StepPlan {
    let plan = scheduler.plan()
    ledger.execute(plan) { _ in .generate(maxNewTokens: 5, sampling: SamplingParameters(), stopTokens: []) }
    for item in plan.items where item.outputs == .last {
      ledger.drew(9, item.id)
      _ = scheduler.append(9, for: item.id)
    }
    return plan
  }

  @Test(arguments: [9, 17, 32, 33, 34, 70]) func othersFeedItsLastTokenInTheNextStep(length: Int) {
    let limits = limits()
    var scheduler = scheduler(limits, prompts: 3, of: 4, length: length)
    var ledger = CacheLedger(limits: limits, rankCount: 1)
    let first = step(&scheduler, &ledger)
    #expect(first.admissions.map(\.id.value) == [0, 4, 8] && first.items.map(\.count) == [length, length, length])
    let second = step(&scheduler, &ledger)
    #expect(second.admissions.map(\.id.value) == [1, 2, 3, 5, 6, 7, 9, 10, 11])
    #expect(second.admissions.allSatisfy { $0.cachedCount == length - 1 } && second.items.allSatisfy { $0.count == 1 })
    while scheduler.hasWork { step(&scheduler, &ledger) }
    #expect(ledger.readTokens == 3 * length + 9 + 12 * 4)
    #expect(scheduler.counts.cachedTokens == 9 * (length - 1) && scheduler.counts.promptTokens == 12 * length)
    #expect(scheduler.pools[0].inUseCount == scheduler.running.count)
  }

  @Test func shortPromptsAndThoseOfOneTokenToDrawWaitForNobody() {
    for (length, new) in [(8, 5), (40, 1)] {
      var scheduler = scheduler(limits(), prompts: 1, of: 4, length: length, new: new)
      #expect(scheduler.plan().items.map(\.count) == [length, length, length, length])
    }
    var apart = scheduler(limits(keeps: false), prompts: 1, of: 4, length: 40)
    #expect(apart.plan().items.map(\.count) == [40, 40, 40, 40])
  }

  @Test func placesOfThoseThatWaitAreKeptFree() {
    var scheduler = scheduler(limits(sequences: 6), prompts: 3, of: 4, length: 20)
    #expect(scheduler.plan().admissions.map(\.id.value) == [0, 4], "the third prompt's would take places of others")
    for id in [0, 4] as [Int32] { _ = scheduler.append(9, for: SequenceID(id)) }
    #expect(scheduler.plan().admissions.map(\.id.value) == [1, 2, 3, 5])
  }

  @Test func groupsStayTogetherUpToTheEvenPartOfAHome() {
    for (ranks, prompts, homes) in [(2, 4, 1), (4, 4, 1), (2, 1, 2), (8, 1, 4)] {
      let limits = limits()
      var scheduler = scheduler(limits, ranks: ranks, prompts: prompts, of: 4, length: 20)
      var ledger = CacheLedger(limits: limits, rankCount: ranks)
      var found: [Int32: Set<Int>] = [:]
      for _ in 0..<2 {
        for admission in step(&scheduler, &ledger).admissions {
          found[admission.id.value / 4, default: []].insert(admission.home.index)
        }
      }
      #expect(scheduler.running.count == prompts * 4 && found.values.allSatisfy { $0.count == homes }, "\(ranks) ranks")
      #expect((scheduler.loads.max() ?? 0) - (scheduler.loads.min() ?? 0) <= (prompts * 4 < ranks ? 1 : 0))
    }
  }

  @Test func whoEndsBeforeItHasReadLeavesTheRestToTheNext() {
    var limits = limits()
    limits.batchTokens = 16
    var scheduler = scheduler(limits, prompts: 1, of: 3, length: 70)
    var ledger = CacheLedger(limits: limits, rankCount: 1)
    for _ in 0..<3 { step(&scheduler, &ledger) }
    scheduler.end(SequenceID(0))
    let next = step(&scheduler, &ledger)
    #expect(next.admissions.map(\.id.value) == [1] && next.admissions[0].cachedCount == 32)
    while scheduler.hasWork { step(&scheduler, &ledger) }
    // The third begins after two whole blocks: for the five tokens beyond them it does not wait.
    #expect(ledger.readTokens == 48 + (70 - 32) + 6 + 2 * 4)
  }

  @Test func aBlockThatIsNotThereIsRefused() throws {
    let golden = try Golden("deepseek_v3")
    let tokens = try golden.prompt(0)
    let refused = try LocalFabric.run(size: 1) { communicator -> [Bool] in
      var options = SessionOptions()
      (options.threadsPerRank, options.cacheTokens) = (1, 128)
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      return [(4, 2), (-2, 2), (0, 2), (1, 0)].map { copied, cached in
        var plan = StepPlan()
        var admission = StepPlan.Admission(
          id: SequenceID(1), home: Rank(0), tokens: tokens, promptCount: tokens.count, cachedCount: cached, blocks: [0])
        admission.copied = Int32(copied)
        plan.admissions = [admission]
        do { _ = try session.engine.execute(plan) } catch { return "\(error)".contains("copies") }
        return false
      }
    }[0]
    #expect(refused == [true, true, true, true])
  }

  /// Temperature and threads as they come: what is drawn is what each would draw alone.
  @Test(arguments: ["deepseek_v3", "glm_moe_dsa", "gpt_oss", "qwen3_next"], [1, 3])
  func aSharedPromptChangesNoBit(model: String, ranks: Int) throws {
    let requests = [12, 33, 50].flatMap { length in
      (0..<14).map { (seed: Int) -> GenerationRequest in
        var sampling = SamplingParameters()
        (sampling.temperature, sampling.seed) = (seed % 4 == 0 ? 0 : 0.9, UInt64(seed))
        var request = GenerationRequest(
          prompt: (0..<Int32(length)).map { ($0 * 11 + Int32(length)) % 60 },
          task: .generate(maxNewTokens: 8, sampling: sampling, stopTokens: []))
        request.details.topLogprobs = 2
        return request
      }
    }
    func serve(ranks: Int, threads: Int, keeps: Bool) throws -> [[SampledToken]] {
      let folder = try Golden(model).folder
      let list = Requests(requests)
      return try LocalFabric.run(size: ranks) { communicator -> [[SampledToken]] in
        var options = SessionOptions()
        (options.threadsPerRank, options.cacheTokens, options.keepsPrefixes) = (threads, 4096, keeps)
        options.stateCount = 64
        let session = try GenerationSession(model: folder, options: options, communicator: communicator) { _ in }
        guard communicator.isRoot else {
          try session.follow()
          return []
        }
        let loop = session.makeLoop()
        var drawn: [SequenceID: [SampledToken]] = [:]
        let ids = try list.requests.map { try loop.submit($0) }
        while loop.hasWork {
          for case .token(let id, let token, _) in try loop.step() { drawn[id, default: []].append(token) }
        }
        try loop.stop()
        return ids.map { drawn[$0] ?? [] }
      }[0]
    }
    let alone = try serve(ranks: 1, threads: 1, keeps: false)
    #expect(alone.allSatisfy { $0.count == 8 })
    // Three workers share what is to be drawn.
    #expect(try serve(ranks: ranks, threads: 3, keeps: true) == alone)
  }

  private final class Requests: @unchecked Sendable {
    let requests: [GenerationRequest]
    init(_ requests: [GenerationRequest]) { self.requests = requests }
  }
}
