import ExpertParallelism
import Fabric
import ForwardingCommunicator
import Kernels
import Machine
import MoEModel
import TestSupport
import Testing

/// Weights that workers bring into their caches while experts' outputs come back.
struct FetchingTests {
  @Test(arguments: [1, 3]) func resultsDoNotDependOnIt(threads: Int) throws {
    let model = try TinyMoE(expertCount: 10, topK: 3, threads: threads, weights: .q8)
    var generator = SeededGenerator(311)
    for ranks in [1, 2, 4] {
      // Many, one and no tokens.
      let steps = [17, 1, 0].map { count in
        (0..<ranks).map { RankTokens($0 == 1 ? 0 : count, expertCount: 10, topK: 3, using: &generator) }
      }
      let placement = ExpertPlacement(expertCount: 10, rankCount: ranks)
      for implementation in [
        ExpertScenario.Implementation.distributed, .shared, .rounded, .relayed(ranksPerHost: 2, room: 32),
      ] {
        func outputs(fetching byteCount: Int) throws -> ExpertScenario.Outputs {
          let scenario = ExpertScenario(model: model, threads: threads, fetchByteCount: byteCount, steps: steps)
          return try scenario.run(implementation, placement: placement, eagerByteLimit: 512)
        }
        #expect(try outputs(fetching: 3000) == outputs(fetching: 0), "\(implementation), \(ranks) ranks")
      }
    }
  }

  /// Whoever waits for outputs fetches meanwhile, and nobody else.
  @Test func aWaitForOutputsHasSomethingToDo() throws {
    let model = try TinyMoE(expertCount: 4, topK: 2, threads: 1)
    func waits(fetching byteCount: Int, next isKnown: Bool) throws -> [Int] {
      try LocalFabric.run(size: 2) { local in
        let communicator = WatchedCommunicator(local)
        let compute = Compute(pool: try WorkerPool(workerCount: 1), fetchByteCount: byteCount)
        let placement = ExpertPlacement(expertCount: 4, rankCount: 2)
        let bank = ExpertBank(
          model.description, moe: model.moe, weights: model.weights { placement.holds($1, communicator.rank) },
          compute: compute)
        let cluster = ClusterDispatcher(
          communicator: communicator, placement: placement.everywhere, compute: compute, wire: model.wire(), topK: 2,
          telemetry: telemetry(model, placement), clocks: try PeerClocks(communicator))
        #expect(cluster.fetches == (byteCount > 0))
        // Both visits of rank 0's tokens are to experts of rank 1.
        var generator = SeededGenerator(312)
        let counts = [3, 0]
        let tokens = RankTokens(
          counts[communicator.rank.index], expertCount: 4, topK: 2, experts: [2, 3], using: &generator)
        try cluster.beginStep(rowsByRank: counts)
        let weights = [UInt8](repeating: 1, count: 4096)
        var output = [Float](repeating: 0, count: tokens.inputs.count + 1)
        try weights.withUnsafeBytes { bytes in
          let next = NextWeights(workerCount: 1)
          next.add(MemoryRun(bytes.baseAddress!, byteCount: bytes.count), worker: 0)
          try output.withUnsafeMutableBufferPointer { output in
            try tokens.withRows(model, compute) { rows in
              let flight = try cluster.dispatch(rows, count: tokens.count, tokens.decisions(topK: 2), layer: 0)
              try bank.forward(flight)
              try cluster.combine(flight, into: output.baseAddress!, next: isKnown ? next : nil)
              cluster.release(flight)
            }
          }
        }
        #expect(communicator.whileWaiting == nil)
        return communicator.busyWaits
      }
    }
    #expect(try waits(fetching: 1 << 20, next: true) == [1, 0])
    #expect(try waits(fetching: 1 << 20, next: false) == [0, 0])
    #expect(try waits(fetching: 0, next: true) == [0, 0])
  }
}

/// Counts waits that have something to do meanwhile, and has them do it.
private final class WatchedCommunicator: ForwardingCommunicator {
  let base: any Communicator
  private(set) var busyWaits = 0

  init(_ base: any Communicator) { self.base = base }

  @discardableResult
  func wait(_ request: PendingRequest) throws(FabricError) -> Int {
    if let meanwhile = base.whileWaiting {
      busyWaits += 1
      for _ in 0..<4 { meanwhile.poll() }
    }
    return try base.wait(request)
  }
}
