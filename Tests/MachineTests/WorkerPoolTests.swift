import Foundation
import Machine
import Synchronization
import Testing

@Suite(.serialized)
struct WorkerPoolTests {
  /// Plain memory that workers share, a cache line for each.
  private final class Slots: @unchecked Sendable {
    let values: UnsafeMutablePointer<Int>
    init(_ count: Int) {
      values = .allocate(capacity: count * 16)
      values.initialize(repeating: 0, count: count * 16)
    }
    deinit { values.deallocate() }
    subscript(worker: Int) -> Int {
      get { values[worker * 16] }
      set { values[worker * 16] = newValue }
    }
  }

  @Test(arguments: [1, 2, 3, 7, 8, 9, 17, 33, 65])
  func everyWorkerRunsOnceAndRunReturnsAfterAll(count: Int) throws {
    let pool = try WorkerPool(workerCount: count)
    #expect(pool.workerCount == count)
    let slots = Slots(count)
    for round in 1...50 {
      pool.run { worker in slots[worker] += 1 }
      #expect((0..<count).allSatisfy { slots[$0] == round })
    }
  }

  @Test func workerZeroIsTheCaller() throws {
    let pool = try WorkerPool(workerCount: 3)
    let caller = pthread_self()
    let same = Slots(3)
    pool.run { worker in same[worker] = pthread_equal(caller, pthread_self()) == 0 ? 0 : 1 }
    #expect((0..<3).map { same[$0] } == [1, 0, 0])
  }

  @Test(arguments: [1, 2, 3, 8, 9, 20])
  func theBarrierShowsEveryWorkerAllEarlierWrites(count: Int) throws {
    let pool = try WorkerPool(workerCount: count)
    let slots = Slots(count)
    let wrong = Atomic(0)
    for _ in 0..<20 {
      pool.run { worker in
        for _ in 0..<5 {
          slots[worker] += 1
          pool.barrier(worker: worker)
          let mine = slots[worker]
          for other in 0..<count where slots[other] != mine { wrong.add(1, ordering: .relaxed) }
          pool.barrier(worker: worker)
        }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect((0..<count).allSatisfy { slots[$0] == 100 })
  }

  @Test(arguments: [1, 2, 4])
  func sumsOfPartsEqualTheWhole(count: Int) throws {
    let pool = try WorkerPool(workerCount: count)
    let data = (0..<10_000).map { $0 * $0 % 977 }
    let partial = Slots(count)
    var totals: [Int] = []
    for length in [0, 1, 999, 10_000] {
      pool.run { worker in
        var sum = 0
        for index in length * worker / count..<length * (worker + 1) / count { sum += data[index] }
        partial[worker] = sum
      }
      totals.append((0..<count).reduce(0) { $0 + partial[$1] })
    }
    #expect(totals == [0, 1, 999, 10_000].map { data.prefix($0).reduce(0, +) })
  }

  @Test func tenThousandRunsAreQuick() throws {
    let pool = try WorkerPool(workerCount: 2)
    let slots = Slots(2)
    let times = (0..<100).map { _ in
      ContinuousClock().measure { for _ in 0..<100 { pool.run { worker in slots[worker] += 1 } } }
    }
    #expect(slots[0] == 10_000 && slots[1] == 10_000)
    // About 1 µs each on cores of their own; the bound is for cores shared with other programs, and the best of many
    // for machines that stand still meanwhile.
    #expect(try #require(times.min()) < .seconds(1))
  }

  @Test func parkedWorkersWakeUp() throws {
    let pool = try WorkerPool(cores: [0, 1, 2], pin: false, spin: .microseconds(10))
    let slots = Slots(3)
    for round in 1...5 {
      Thread.sleep(forTimeInterval: 0.01)
      pool.run { worker in
        slots[worker] += 1
        // The others park at the barrier and at the end.
        if worker == round % 3 { Thread.sleep(forTimeInterval: 0.005) }
        pool.barrier(worker: worker)
      }
    }
    #expect((0..<3).allSatisfy { slots[$0] == 5 })
  }

  @Test func twoPoolsWorkAtOnce() throws {
    let results = Mutex<[Int]>([])
    DispatchQueue.concurrentPerform(iterations: 2) { _ in
      guard let pool = try? WorkerPool(cores: [0, 1, 2], pin: false, oversubscribed: true) else { return }
      let slots = Slots(3)
      for _ in 0..<300 {
        pool.run { worker in
          slots[worker] += 1
          pool.barrier(worker: worker)
        }
      }
      results.withLock { $0.append(slots[0] + slots[1] + slots[2]) }
    }
    #expect(results.withLock { $0 } == [900, 900])
  }

  @Test func aPinnedPoolRunsOnItsCoresAndGivesTheCallerItsFreedomBack() throws {
    let before = try Topology.discover().allowedCores
    let core = before[before.count - 1]
    do {
      let pool = try WorkerPool(cores: [core, before[0]], pin: true)
      let seen = Slots(2)
      // A thread's allowed cores are its affinity mask.
      pool.run { worker in
        let allowed = try? Topology.discover().allowedCores
        seen[worker] = allowed?.count == 1 ? allowed?.first ?? -1 : -1
      }
      #expect((0..<2).map { seen[$0] } == [core, before[0]])
      #expect(try Topology.discover().allowedCores == [core])
    }
    #expect(try Topology.discover().allowedCores == before)
  }

  @Test func workersKnowTheirNodes() throws {
    let nodes = [NUMANode(id: 0, cores: [0, 2]), NUMANode(id: 3, cores: [1])]
    let pool = try WorkerPool(cores: [1, 0, 2, 9], nodes: nodes, pin: false)
    #expect((0..<4).map { pool.node(ofWorker: $0) } == [3, 0, 0, 0])
  }

  @Test func impossiblePoolsAreErrors() throws {
    for count in [0, -3, 5000] {
      #expect(throws: MachineError.invalidThreadCount(count, limit: 4096)) { try WorkerPool(workerCount: count) }
    }
    let before = try Topology.discover().allowedCores
    // Core 9999 does not exist; the threads and the caller must be as before.
    for cores in [[-1], [9999], [before[0], 9999], [.max]] {
      #expect { try WorkerPool(cores: cores, pin: true) } throws: {
        if case MachineError.system = $0 { true } else { false }
      }
    }
    #expect(try Topology.discover().allowedCores == before)
  }

  @Test func aRunWithinARunEndsTheProcessWithAMessage() async {
    await #expect(processExitsWith: .failure) {
      let pool = try WorkerPool(workerCount: 2)
      pool.run { worker in pool.run { _ in } }
    }
  }
}
