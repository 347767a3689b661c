import EngineAPI
import Fabric
import MoEModel
import Telemetry
import TestSupport
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

  @Test func continuedSequencesGoOnWhilePromptsWait() {
    var scheduler = Scheduler(limits: limits(batchTokens: 4, blocksPerRank: 100), rankCount: 1)
    scheduler.submit(generate(2, 5), id: SequenceID(0))
    scheduler.submit(generate(100, 5), id: SequenceID(1))
    #expect(scheduler.plan().items.map(\.count) == [2, 2])
    #expect(scheduler.append(9, for: SequenceID(0)) == nil)
    for _ in 0..<4 {
      let items = scheduler.plan().items
      #expect(items.map(\.id.value) == [0, 1] && items.map(\.count) == [1, 3])
      _ = scheduler.append(9, for: SequenceID(0))
    }
    #expect(scheduler.plan().items.map(\.count) == [4], "the first has ended")
  }

  @Test func aRequestThatFitsNowhereYetIsNotOvertaken() {
    var scheduler = Scheduler(limits: limits(blocksPerRank: 2), rankCount: 1)
    scheduler.submit(generate(33, 1), id: SequenceID(0))
    scheduler.submit(generate(64, 1), id: SequenceID(1))
    scheduler.submit(generate(1, 1), id: SequenceID(2))
    var order: [Int32] = []
    for _ in 0..<20 where scheduler.hasWork {
      for item in scheduler.plan().items where item.outputs == .last {
        order.append(item.id.value)
        _ = scheduler.append(9, for: item.id)
      }
    }
    #expect(order == [0, 1, 2])
  }

  @Test func aShortPromptSharesAStepWithALongOne() {
    var scheduler = Scheduler(limits: limits(batchTokens: 16, blocksPerRank: 100), rankCount: 1)
    scheduler.submit(generate(1000, 1), id: SequenceID(0))
    scheduler.submit(generate(5, 1), id: SequenceID(1))
    let items = scheduler.plan().items
    #expect(items.map(\.count) == [11, 5] && items[1].outputs == .last)
  }

  @Test func sequencesEndAtTheirLengthOrAStopToken() {
    var scheduler = Scheduler(limits: limits(), rankCount: 1)
    scheduler.submit(generate(1, 2, stop: [7]), id: SequenceID(0))
    scheduler.submit(generate(1, 2, stop: [7]), id: SequenceID(1))
    _ = scheduler.plan()
    #expect(scheduler.append(7, for: SequenceID(0)) == .stop)
    #expect(scheduler.append(8, for: SequenceID(1)) == nil)
    #expect(scheduler.plan().releases == [SequenceID(0)])
    #expect(scheduler.append(8, for: SequenceID(1)) == .length)
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

  /// Most steps here read some prompt and continue other sequences.
  @Test(arguments: [1, 3])
  func rowsOfPromptsAreCountedApartFromThoseOfTheirSteps(ranks: Int) {
    var scheduler = Scheduler(limits: limits(batchTokens: 8, sequences: 4, blocksPerRank: 100), rankCount: ranks)
    let lengths = [3, 9, 1, 20, 5, 2, 7, 31]
    for (i, length) in lengths.enumerated() {
      var request = i == 5 ? score(length) : generate(length, 6)
      request.prompt = [Int32](repeating: Int32(i), count: length)
      scheduler.submit(request, id: SequenceID(Int32(i)))
    }
    var rows = (all: 0, inPromptSteps: 0)
    while scheduler.hasWork {
      let plan = scheduler.plan()
      rows.all += plan.items.reduce(0) { $0 + $1.count }
      if plan.kind == .prefill { rows.inPromptSteps += plan.items.reduce(0) { $0 + $1.count } }
      for item in plan.items where item.logitRows > 0 {
        if item.outputs == .last { _ = scheduler.append(9, for: item.id) } else { _ = scheduler.scored(item.id) }
      }
    }
    #expect(scheduler.counts.promptRows == lengths.reduce(0, +))
    // Each of seven draws six tokens, of which the last is not fed.
    #expect(rows.all == scheduler.counts.promptRows + 7 * 5 && rows.inPromptSteps > scheduler.counts.promptRows)
  }

  /// Against an array, which moves all that it holds.
  @Test func aQueueIsInTheOrderOfItsArrivals() {
    var generator = SeededGenerator(5)
    var queue = SequenceQueue()
    var ids: [Int32] = []
    for id in 0..<2000 as Range<Int32> {
      let sequence = ScheduledSequence(generate(1, 1), id: SequenceID(id))
      switch Int.random(in: 0..<7, using: &generator) {
      case 0:
        queue.putFirst(sequence)
        ids.insert(id, at: 0)
      case 1...3:
        queue.append(sequence)
        ids.append(id)
      case 4 where !ids.isEmpty, 5 where !ids.isEmpty:
        let place = Int.random(in: 0..<min(ids.count, 9), using: &generator)
        #expect(queue[place].id.value == ids[place])
        #expect(queue.remove(at: place).id.value == ids.remove(at: place))
      default:
        let other = Int32.random(in: 0...id, using: &generator)
        let place = ids.firstIndex(of: other)
        #expect(queue.remove(SequenceID(other)) == (place != nil))
        if let place { ids.remove(at: place) }
      }
      #expect(queue.count == ids.count && queue.isEmpty == ids.isEmpty)
    }
    #expect(ids.count > 50 && ids.indices.allSatisfy { queue[$0].id.value == ids[$0] })
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
