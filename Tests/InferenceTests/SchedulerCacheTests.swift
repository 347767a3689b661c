import EngineAPI
import Fabric
import MoEModel
import TestSupport
import Testing

@testable import Inference

/// The scheduler against a simulated cache: nobody ever reads what is not its own past, and everybody ends.
struct SchedulerCacheTests {
  private func generate(_ prompt: [Int32], _ new: Int, stop: Set<Int32> = []) -> GenerationRequest {
    GenerationRequest(
      prompt: prompt, task: .generate(maxNewTokens: new, sampling: SamplingParameters(), stopTokens: stop))
  }

  /// The token after these; the same for the same past, as a model's would be.
  private func next(_ tokens: [Int32]) -> Int32 {
    Int32(tokens.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xffff } % 20)
  }

  @Test(arguments: 0..<60)
  func randomRequestsAreServedWithinTheLimitsAndAllEnd(seed: Int) {
    var generator = SeededGenerator(UInt64(seed))
    func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let rankCount = random(1...4)
    var limits = SchedulerLimits()
    limits.batchTokens = [1, 5, 16, 512].randomElement(using: &generator)!
    limits.sequences = random(1...8)
    limits.scoredRows = random(1...6)
    limits.blocksPerRank = random(4...9)
    limits.keepsPrefixes = seed % 5 != 0
    // Some with recurrent states: as many as may run, fewer, and more.
    limits.statesPerRank = seed % 2 == 0 ? 0 : random(1...12)
    var scheduler = Scheduler(limits: limits, rankCount: rankCount)
    var ledger = CacheLedger(limits: limits, rankCount: rankCount)
    var requests: [SequenceID: GenerationRequest] = [:]
    var open: Set<SequenceID> = []
    // Few different beginnings, so that prefixes meet.
    let beginnings = (0..<3).map { _ in (0..<random(0...90)).map { _ in Int32(random(0...3)) } }
    func submit() {
      let id = SequenceID(Int32(requests.count))
      var prompt = beginnings.randomElement(using: &generator)! + (0..<random(1...30)).map { _ in Int32(random(0...3)) }
      if !requests.isEmpty, random(0...2) == 0 {
        prompt = requests[SequenceID(Int32(random(0...(requests.count - 1))))]!.prompt
      }
      switch random(0...9) {
      case 0, 1: requests[id] = GenerationRequest(prompt: prompt, task: .score(ScoringOptions()))
      case 2: requests[id] = GenerationRequest(prompt: prompt, task: .embed(.mean))
      case 3: requests[id] = GenerationRequest(prompt: prompt, task: .embed(.last))
      default: requests[id] = generate(prompt, random(1...60), stop: [13])
      }
      // What fits no rank is refused before it comes here.
      if requests[id]!.capacity > limits.blocksPerRank * 32 { requests[id] = generate([1, 2], 3) }
      if case .generate = requests[id]!.task, random(0...5) == 0, requests[id]!.capacity > prompt.count {
        requests[id]!.sampled = [next(prompt)]
      }
      scheduler.submit(requests[id]!, id: id)
      open.insert(id)
    }
    for _ in 0..<12 { submit() }
    var steps = 0
    while scheduler.hasWork, steps < 40_000 {
      steps += 1
      if steps % 7 == 0, requests.count < 40 { submit() }
      if steps % 29 == 0 {
        let id = SequenceID(Int32(random(0...(requests.count - 1))))
        scheduler.end(id)
        scheduler.end(id)
        open.remove(id)
        if !scheduler.hasWork { break }
      }
      let plan = scheduler.plan()
      ledger.execute(plan) { requests[$0]!.task }
      #expect(!plan.items.isEmpty, "a step in which nothing moves")
      for item in plan.items {
        switch item.outputs {
        case .none: break
        case .all: if scheduler.scored(item.id) { open.remove(item.id) }
        case .lastState, .allStates:
          if item.start + item.count == requests[item.id]!.prompt.count {
            scheduler.end(item.id)
            open.remove(item.id)
          }
        case .last:
          let token = next(ledger.tokens(item.id))
          ledger.drew(token, item.id)
          if scheduler.append(token, for: item.id) != nil { open.remove(item.id) }
        }
      }
    }
    #expect(!scheduler.hasWork && open.isEmpty, "\(open.count) left after \(steps) steps")
    _ = scheduler.plan()
    #expect(scheduler.pools.allSatisfy { $0.inUseCount == 0 }, "blocks that nobody gave back")
    #expect(scheduler.loads.allSatisfy { $0 == 0 })
    #expect(
      scheduler.pools.allSatisfy { $0.states.availableCount == limits.statesPerRank }, "states that nobody gave back")
    // All memory can be had again: a request as large as a rank's cache is admitted on every rank at once.
    for i in 0..<min(rankCount, limits.sequences) {
      scheduler.submit(
        generate((0..<Int32(limits.blocksPerRank * 32)).map { 100 + $0 }, 1), id: SequenceID(Int32(1000 + i)))
    }
    #expect(scheduler.plan().admissions.count == min(rankCount, limits.sequences))
  }

  @Test func theYoungestMakesRoomAndNothingIsLost() {
    var limits = SchedulerLimits()
    limits.blocksPerRank = 4
    var scheduler = Scheduler(limits: limits, rankCount: 1)
    var ledger = CacheLedger(limits: limits, rankCount: 1)
    let prompts: [[Int32]] = [Array(repeating: 1, count: 31), Array(repeating: 2, count: 31)]
    for (i, prompt) in prompts.enumerated() { scheduler.submit(generate(prompt, 90), id: SequenceID(Int32(i))) }
    var drawn: [SequenceID: [Int32]] = [:]
    var ended: [SequenceID] = []
    while scheduler.hasWork {
      let plan = scheduler.plan()
      ledger.execute(plan) { _ in .generate(maxNewTokens: 90, sampling: SamplingParameters(), stopTokens: []) }
      for item in plan.items where item.outputs == .last {
        let token = next(ledger.tokens(item.id))
        ledger.drew(token, item.id)
        drawn[item.id, default: []].append(token)
        if scheduler.append(token, for: item.id) != nil { ended.append(item.id) }
      }
    }
    #expect(scheduler.counts.preempted > 0)
    #expect(ended == [SequenceID(0), SequenceID(1)])
    for (i, prompt) in prompts.enumerated() {
      var alone = prompt
      for _ in 0..<90 { alone.append(next(alone)) }
      #expect(drawn[SequenceID(Int32(i))] == Array(alone.dropFirst(31)))
    }
  }

  @Test func whatOneSequenceReadIsNotReadAgain() {
    var limits = SchedulerLimits()
    limits.blocksPerRank = 20
    var scheduler = Scheduler(limits: limits, rankCount: 2)
    let system = (0..<100).map { Int32($0) }
    func serve(_ prompt: [Int32], _ id: Int32) -> (cached: Int, home: Int) {
      scheduler.submit(generate(prompt, 2), id: SequenceID(id))
      let plan = scheduler.plan()
      _ = scheduler.append(5, for: SequenceID(id))
      _ = scheduler.plan()
      _ = scheduler.append(6, for: SequenceID(id))
      return (plan.admissions[0].cachedCount, plan.admissions[0].home.index)
    }
    let first = serve(system + [1, 2, 3], 0)
    #expect(first.cached == 0)
    #expect(serve(system + [9, 9], 1) == (96, first.home))
    // The same prompt as a whole number of blocks: the last one is read again, to draw from.
    #expect(serve(Array(system.prefix(96)), 2) == (64, first.home))
    #expect(serve([7] + system, 3).cached == 0, "the same tokens elsewhere are another past")
    // A conversation goes on after what was drawn.
    #expect(serve(system + [1, 2, 3] + (0..<40).map { _ in 5 }, 4).cached == 96)
    #expect(scheduler.counts.cachedTokens == 96 + 64 + 96)
  }

  @Test func oldPrefixesGoFirstAndLeavesBeforeTheirParents() {
    var pool = BlockPool(blockCount: 4)
    func tokens(_ value: Int32) -> [Int32] { Array(repeating: value, count: 32) }
    func add(_ values: [Int32]) {
      let blocks = values.map { _ in pool.take()! }
      var parent = BlockPool.none
      for (block, value) in zip(blocks, values) {
        parent = pool.keep(block, parent: parent, tokens: tokens(value)[...])
      }
      pool.release(blocks)
    }
    add([1, 2])
    add([3])
    #expect(pool.idleCount == 3 && pool.availableCount == 4)
    func found(_ values: [Int32]) -> Int { pool.prefix(of: values.flatMap(tokens), limit: 9).count }
    #expect(found([1, 2]) == 2 && found([3]) == 1 && found([2]) == 0)
    // Using the first again makes the third the oldest.
    let held = pool.prefix(of: tokens(1) + tokens(2), limit: 9)
    pool.hold(held)
    pool.release(held)
    _ = pool.take()
    #expect(pool.idleCount == 3, "a free one was left")
    _ = pool.take()
    #expect(found([3]) == 0 && found([1, 2]) == 2)
    _ = pool.take()
    #expect(found([1, 2]) == 1, "the leaf went first")
    _ = pool.take()
    #expect(found([1]) == 0 && pool.take() == nil)
  }
}
