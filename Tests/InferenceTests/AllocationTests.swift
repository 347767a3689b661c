import AllocationCounter
import Bytes
import EngineAPI
import Fabric
import Kernels
import Machine
import MoEModel
import Testing

@testable import Inference

/// A decode step takes no memory from the heap once its buffers have grown: its plan read, tokens embedded, fed through
/// every layer and drawn, the outcome written. Optimised builds only: others allocate for closures and copies.
struct AllocationTests {
  /// Requests for memory on each worker of each rank in ten steps of three sequences, after some to warm up.
  private func counts(_ model: String, ranks: Int, threads: Int, cacheType: CacheType) throws -> [[Int64]] {
    let golden = try Golden(model)
    let prompts = [try golden.prompt(0), try golden.prompt(1), try golden.prompt(2)]
    return try LocalFabric.run(size: ranks) { base in
      let communicator = UncountedCommunicator(base)
      var options = SessionOptions()
      options.threadsPerRank = threads
      options.cacheTokens = 512
      options.cacheType = cacheType
      let session = try GenerationSession(model: golden.folder, options: options, communicator: communicator) { _ in }
      let engine = session.engine
      var (plan, received) = (StepPlan(), StepPlan())
      var writer = ByteWriter()
      for (i, prompt) in prompts.enumerated() {
        let (id, home) = (SequenceID(Int32(i)), Rank(i % ranks))
        plan.admissions.append(
          StepPlan.Admission(
            id: id, home: home, tokens: prompt, promptCount: prompt.count, cachedCount: 0,
            blocks: (0..<4).map { Int32(i * 4 + $0) }))
        plan.items.append(StepPlan.Item(id: id, home: home, start: 0, count: prompt.count, outputs: .last))
      }
      _ = try engine.execute(plan)
      plan.admissions = []
      func step() throws {
        for i in prompts.indices {
          plan.items[i].start += plan.items[i].count
          plan.items[i].count = 1
        }
        writer.clear()
        plan.encode(to: &writer)
        try received.decode(writer.bytes, size: ranks)
        _ = try engine.execute(received)
      }
      for _ in 0..<12 { try step() }
      let counts = (0..<threads).map { _ in Count() }
      session.compute.pool.run { _ in allocation_counter_start() }
      for _ in 0..<10 { try step() }
      session.compute.pool.run { worker in counts[worker].value = allocation_counter_stop() }
      return counts.map(\.value)
    }
  }

  private final class Count: @unchecked Sendable { var value: Int64 = 0 }

  @Test(.enabled(if: allocation_counter_sees() != 0)) func theCounterSeesWhatSwiftAllocates() {
    allocation_counter_start()
    let array = [Int](repeating: 1, count: 100)
    let count = allocation_counter_stop()
    #expect(count >= 1 && array.count == 100)
  }

  static let isOptimised: Bool = {
    #if DEBUG
      false
    #else
      allocation_counter_sees() != 0
    #endif
  }()

  @Test(.enabled(if: isOptimised), arguments: ["deepseek_v3_fp8", "qwen3_moe", "gpt_oss_mxfp4"], [1, 2])
  func aDecodeStepAllocatesNothing(model: String, ranks: Int) throws {
    for threads in [1, 2] {
      for type in CacheType.allCases {
        let counts = try counts(model, ranks: ranks, threads: threads, cacheType: type)
        #expect(counts.allSatisfy { $0.allSatisfy { $0 == 0 } }, "\(counts) on \(threads) threads, cache \(type)")
      }
    }
  }
}
