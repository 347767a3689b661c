import EngineAPI
import Fabric
import MoEModel
import Testing

@testable import Inference

/// Which slots of recurrent states are whose.
struct StateSlotsTests {
  @Test func snapshotsMakeRoomTheLeastRecentlyUsedFirst() throws {
    var slots = StateSlots(count: 3)
    let taken = [slots.take(), slots.take(), slots.take()].compactMap(\.self)
    let none = slots.take()
    #expect(Set(taken) == [0, 1, 2] && none == nil && slots.availableCount == 0)
    for (slot, block) in zip(taken, [10, 11, 12] as [Int32]) {
      let isFirst = slots.attach(slot, to: block)
      #expect(isFirst)
    }
    #expect(slots.availableCount == 3 && slots.snapshotCount == 3)
    let used = (slots.use(10), slots.use(13))
    #expect(used == (taken[0], nil))
    let oldest = slots.take()
    #expect(oldest == taken[1] && !slots.hasSnapshot(11))
    slots.drop(12)
    let rest = [slots.take(), slots.take(), slots.take()]
    #expect(rest == [taken[2], taken[0], nil])
  }

  @Test func aBlockHasOneSnapshot() throws {
    var slots = StateSlots(count: 2)
    let taken = [slots.take(), slots.take()].compactMap(\.self)
    try #require(taken.count == 2)
    let (first, second) = (taken[0], taken[1])
    let attached = (slots.attach(first, to: 5), slots.attach(second, to: 5))
    #expect(attached == (true, false))
    let free = slots.take()
    #expect(free == second)
    let detached = (slots.detach(5), slots.detach(5))
    #expect(detached == (first, nil) && !slots.hasSnapshot(5))
    slots.give(first)
    slots.give(StateSlots.none)
    #expect(slots.availableCount == 1)
  }

  /// A block that is evicted takes its snapshot with it.
  @Test func anEvictedBlockFreesItsSnapshot() throws {
    var pool = BlockPool(blockCount: 1, stateCount: 1)
    let taken = [pool.take(), pool.states.take()].compactMap(\.self)
    try #require(taken.count == 2)
    let (block, slot) = (taken[0], taken[1])
    _ = pool.keep(block, parent: BlockPool.none, tokens: Array(repeating: 1, count: 32)[...])
    let isFirst = pool.states.attach(slot, to: block)
    pool.release([block])
    #expect(isFirst && pool.states.snapshotCount == 1)
    let again = pool.take()
    #expect(again == block && pool.states.snapshotCount == 0 && pool.states.availableCount == 1)
  }

  private func generate(_ prompt: [Int32], _ new: Int) -> GenerationRequest {
    GenerationRequest(
      prompt: prompt, task: .generate(maxNewTokens: new, sampling: SamplingParameters(), stopTokens: []))
  }

  @Test func snapshotsAreTakenWhereOthersMayGoOn() {
    var limits = SchedulerLimits()
    (limits.batchTokens, limits.blocksPerRank, limits.statesPerRank) = (4096, 200, 10)
    var scheduler = Scheduler(limits: limits, rankCount: 1)
    let prompt = (0..<2100).map { Int32($0 % 50) }
    func positions(_ prompt: [Int32], _ id: Int32) -> [Int] {
      scheduler.submit(generate(prompt, 2), id: SequenceID(id))
      let found = scheduler.plan().snapshots.map(\.position)
      _ = scheduler.append(5, for: SequenceID(id))
      _ = scheduler.plan()
      _ = scheduler.append(6, for: SequenceID(id))
      return found
    }
    let first = positions(prompt, 0)
    let parting = positions(Array(prompt.prefix(100)) + [60, 61] + Array(0..<40), 1)
    let following = positions(Array(prompt.prefix(100)) + [62], 2)
    #expect(first == [1024, 2048, 2080] && parting == [96, 128])
    #expect(following == [], "it begins at 96, and has no whole block more")
    #expect(scheduler.counts.cachedTokens == 96)
    // A sequence that continues replaces its own snapshot.
    scheduler.submit(generate(Array(repeating: 9, count: 30), 100), id: SequenceID(3))
    var rolled: [StepPlan.Snapshot] = []
    for _ in 0..<100 {
      rolled += scheduler.plan().snapshots
      _ = scheduler.append(1, for: SequenceID(3))
    }
    #expect(rolled.map(\.position) == [32, 64, 96, 128] && Set(rolled.map(\.slot)).count == 1)
    #expect(scheduler.pools[0].states.availableCount == 10)
  }

  /// Sequences of one prompt wait for the first of them to pass its last whole block.
  @Test func sequencesOfOnePromptGoOnFromOneSnapshot() {
    var limits = SchedulerLimits()
    (limits.batchTokens, limits.blocksPerRank, limits.statesPerRank) = (40, 40, 8)
    var scheduler = Scheduler(limits: limits, rankCount: 1)
    let prompt = (0..<75).map { Int32($0 % 50) }
    for id in 0..<3 { scheduler.submit(generate(prompt, 3), id: SequenceID(Int32(id))) }
    // Less than a block is nobody's to share.
    scheduler.submit(generate(Array(prompt.prefix(20)), 3), id: SequenceID(3))
    scheduler.submit(generate(Array(prompt.prefix(20)), 3), id: SequenceID(4))
    let first = scheduler.plan()
    #expect(first.admissions.map(\.id.value) == [0, 3, 4] && first.snapshots.isEmpty)
    var snapshots: [Int] = []
    while snapshots.isEmpty {
      let plan = scheduler.plan()
      snapshots += plan.snapshots.map(\.position)
      #expect(plan.admissions.isEmpty)
      for item in plan.items where item.outputs == .last { _ = scheduler.append(5, for: item.id) }
    }
    #expect(snapshots == [64])
    let following = scheduler.plan().admissions
    #expect(following.map(\.id.value) == [1, 2] && following.map(\.cachedCount) == [64, 64])
    // Who ends with its first token leaves nothing behind.
    for id in 5..<7 { scheduler.submit(generate(Array(prompt.reversed()), 1), id: SequenceID(Int32(id))) }
    #expect(scheduler.plan().admissions.map(\.id.value) == [5, 6])
  }

  /// With fewer states than sequences the rest wait, and with one there are no snapshots.
  @Test func sequencesWaitForAState() {
    var limits = SchedulerLimits()
    (limits.blocksPerRank, limits.statesPerRank) = (20, 1)
    var scheduler = Scheduler(limits: limits, rankCount: 2)
    for id in 0..<3 { scheduler.submit(generate(Array(repeating: Int32(id), count: 40), 1), id: SequenceID(Int32(id))) }
    let plan = scheduler.plan()
    #expect(plan.admissions.map(\.home) == [Rank(0), Rank(1)] && plan.snapshots.isEmpty)
    _ = scheduler.append(5, for: SequenceID(0))
    let next = scheduler.plan()
    #expect(next.admissions.map(\.id) == [SequenceID(2)])
  }
}
