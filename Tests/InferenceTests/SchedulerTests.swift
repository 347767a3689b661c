import Fabric
import Testing

@testable import Inference

/// The scheduler alone, against a model that draws instantly.
struct SchedulerTests {
  private func limits(
    batchTokens: Int = 16, sequences: Int = 8, scoredRows: Int = 6, blocksPerRank: Int = 4
  ) -> SchedulerLimits {
    var limits = SchedulerLimits()
    limits.batchTokens = batchTokens
    limits.sequences = sequences
    limits.scoredRows = scoredRows
    limits.blocksPerRank = blocksPerRank
    return limits
  }

  private func generate(_ prompt: Int, _ new: Int, stop: Set<Int32> = []) -> GenerationRequest {
    GenerationRequest(
      prompt: [Int32](repeating: 1, count: prompt),
      task: .generate(maxNewTokens: new, sampling: SamplingParameters(), stopTokens: stop))
  }

  private func score(_ prompt: Int) -> GenerationRequest {
    GenerationRequest(prompt: [Int32](repeating: 1, count: prompt), task: .score(ScoringOptions()))
  }

  /// What a run of plans may not break, followed from plan to plan.
  private struct Ledger {
    let limits: SchedulerLimits
    let rankCount: Int
    var requests: [SequenceID: GenerationRequest] = [:]
    var homes: [SequenceID: Rank] = [:]
    var fed: [SequenceID: Int] = [:]
    var drawn: [SequenceID: Int] = [:]

    func tokens(_ id: SequenceID) -> Int { requests[id]!.prompt.count + drawn[id, default: 0] }
    func isScored(_ id: SequenceID) -> Bool { if case .score = requests[id]!.task { true } else { false } }

    mutating func check(_ plan: StepPlan) {
      for id in plan.releases { #expect(homes.removeValue(forKey: id) != nil, "released twice or never admitted") }
      for admission in plan.admissions {
        #expect(homes.updateValue(admission.home, forKey: admission.id) == nil, "admitted twice")
        #expect((0..<rankCount).contains(admission.home.index))
      }
      #expect(homes.count <= limits.sequences)
      for rank in 0..<rankCount {
        let blocks = homes.filter { $0.value.index == rank }.map { (requests[$0.key]!.capacity + 31) / 32 }
        #expect(blocks.reduce(0, +) <= limits.blocksPerRank, "rank \(rank) holds more than its cache")
      }
      for rank in 0..<rankCount {
        let items = plan.items.filter { $0.home.index == rank }
        #expect(items.reduce(0) { $0 + $1.count } <= limits.batchTokens)
        #expect(items.filter { isScored($0.id) }.reduce(0) { $0 + $1.count } <= limits.scoredRows)
      }
      #expect(Set(plan.items.map(\.id)).count == plan.items.count, "a sequence twice in a step")
      let decodes = plan.items.map { drawn[$0.id, default: 0] > 0 }
      #expect(decodes == decodes.sorted { $0 && !$1 }, "continued sequences come first")
      for item in plan.items {
        #expect(homes[item.id] == item.home)
        #expect(item.start == fed[item.id, default: 0] && item.count > 0)
        fed[item.id] = item.start + item.count
        #expect(fed[item.id]! <= tokens(item.id))
        let isWhole = fed[item.id]! >= requests[item.id]!.prompt.count
        #expect(item.outputs == (isScored(item.id) ? .all : isWhole ? .last : .none))
      }
    }
  }

  @Test(arguments: 0..<40)
  func randomRequestsAreServedWithinTheLimitsAndAllEnd(seed: Int) {
    var generator = SeededGenerator(UInt64(seed))
    func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    let rankCount = random(1...4)
    let limits = limits(
      batchTokens: [1, 5, 16, 512].randomElement(using: &generator)!, sequences: random(1...8), scoredRows: random(1...6),
      blocksPerRank: random(2...4))
    var scheduler = Scheduler(limits: limits, rankCount: rankCount)
    var ledger = Ledger(limits: limits, rankCount: rankCount)
    var open: Set<SequenceID> = []
    var next: Int32 = 0
    var work = 0
    func submit() {
      let id = SequenceID(next)
      next += 1
      let stop: Set<Int32> = [3]
      ledger.requests[id] = random(0...2) == 0 ? score(random(1...64)) : generate(random(1...40), random(1...24), stop: stop)
      work += ledger.requests[id]!.prompt.count + 25
      scheduler.submit(ledger.requests[id]!, id: id)
      open.insert(id)
    }
    for _ in 0..<12 { submit() }
    var steps = 0
    while scheduler.hasWork, steps <= work {
      steps += 1
      if steps % 7 == 0, next < 30 { submit() }
      if steps % 11 == 0 {
        let id = SequenceID(Int32(random(0...Int(next))))
        scheduler.end(id)
        scheduler.end(id)
        open.remove(id)
        if !scheduler.hasWork { break }
      }
      let plan = scheduler.plan()
      ledger.check(plan)
      #expect(!plan.items.isEmpty, "a step in which nothing moves")
      for item in plan.items {
        switch item.outputs {
        case .none: break
        case .all: if scheduler.scored(item.id) { open.remove(item.id) }
        case .last:
          ledger.drawn[item.id, default: 0] += 1
          if scheduler.drew(Int32(random(0...20)), for: item.id) != nil { open.remove(item.id) }
        }
      }
    }
    #expect(!scheduler.hasWork && open.isEmpty, "\(open.count) left after \(steps) steps")
    // All memory is free again: a request as large as a rank's cache is admitted on every rank at once.
    let whole = generate(limits.blocksPerRank * 32, 1)
    for _ in 0..<min(rankCount, limits.sequences) {
      ledger.requests[SequenceID(next)] = whole
      scheduler.submit(whole, id: SequenceID(next))
      next += 1
    }
    let plan = scheduler.plan()
    ledger.check(plan)
    #expect(plan.admissions.count == min(rankCount, limits.sequences))
  }

  @Test func continuedSequencesGoOnWhilePromptsWait() {
    var scheduler = Scheduler(limits: limits(batchTokens: 4, blocksPerRank: 100), rankCount: 1)
    scheduler.submit(generate(2, 5), id: SequenceID(0))
    scheduler.submit(generate(100, 5), id: SequenceID(1))
    #expect(scheduler.plan().items.map(\.count) == [2, 2])
    #expect(scheduler.drew(9, for: SequenceID(0)) == nil)
    for _ in 0..<4 {
      let items = scheduler.plan().items
      #expect(items.map(\.id.value) == [0, 1] && items.map(\.count) == [1, 3])
      _ = scheduler.drew(9, for: SequenceID(0))
    }
    #expect(scheduler.plan().items.map(\.count) == [4], "the first has ended")
  }

  @Test func aRequestThatFitsNowhereYetIsNotOvertakenForEver() {
    var scheduler = Scheduler(limits: limits(blocksPerRank: 2), rankCount: 1)
    scheduler.submit(generate(33, 1), id: SequenceID(0))
    scheduler.submit(generate(64, 1), id: SequenceID(1))
    scheduler.submit(generate(1, 1), id: SequenceID(2))
    var order: [Int32] = []
    for _ in 0..<20 where scheduler.hasWork {
      for item in scheduler.plan().items where item.outputs == .last {
        order.append(item.id.value)
        _ = scheduler.drew(9, for: item.id)
      }
    }
    #expect(order == [0, 1, 2])
  }

  @Test func sequencesEndAtTheirLengthOrAStopToken() {
    var scheduler = Scheduler(limits: limits(), rankCount: 1)
    scheduler.submit(generate(1, 2, stop: [7]), id: SequenceID(0))
    scheduler.submit(generate(1, 2, stop: [7]), id: SequenceID(1))
    _ = scheduler.plan()
    #expect(scheduler.drew(7, for: SequenceID(0)) == .stop)
    #expect(scheduler.drew(8, for: SequenceID(1)) == nil)
    #expect(scheduler.plan().releases == [SequenceID(0)])
    #expect(scheduler.drew(8, for: SequenceID(1)) == .length)
    #expect(!scheduler.hasWork)
  }

  @Test func aCancelledSequenceFreesItsPlaceForTheNext() {
    var scheduler = Scheduler(limits: limits(sequences: 1, blocksPerRank: 2), rankCount: 1)
    scheduler.submit(generate(40, 10), id: SequenceID(0))
    scheduler.submit(generate(40, 10), id: SequenceID(1))
    scheduler.submit(generate(40, 10), id: SequenceID(2))
    #expect(scheduler.plan().admissions.map(\.id.value) == [0])
    scheduler.end(SequenceID(0))
    scheduler.end(SequenceID(1))
    scheduler.end(SequenceID(77))
    let plan = scheduler.plan()
    #expect(plan.releases == [SequenceID(0)], "the second never held anything")
    #expect(plan.admissions.map(\.id.value) == [2])
    scheduler.end(SequenceID(2))
    #expect(!scheduler.hasWork)
  }

  @Test func sequencesSpreadOverRanks() {
    var scheduler = Scheduler(limits: limits(), rankCount: 4)
    for id in 0..<8 as Range<Int32> { scheduler.submit(generate(4, 4), id: SequenceID(id)) }
    #expect(scheduler.plan().rowsByRank(size: 4) == [8, 8, 8, 8])
  }

  @Test func promptsOfSeveralRanksAreReadTogether() {
    var scheduler = Scheduler(limits: limits(batchTokens: 16, blocksPerRank: 100), rankCount: 2)
    for id in 0..<3 as Range<Int32> { scheduler.submit(generate(40, 1), id: SequenceID(id)) }
    #expect(scheduler.plan().rowsByRank(size: 2) == [16, 16])
    #expect(scheduler.plan().rowsByRank(size: 2) == [16, 16])
    #expect(scheduler.plan().rowsByRank(size: 2) == [16, 8], "the first rank goes on with the third prompt")
  }
}
