import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel

/// One rank's weights, and what it took to get them.
struct LoadedModel {
  let weights: ModelWeights
  let arenas: [NodeArena]
  let report: LoadReport

  /// Finds every tensor, checks that weights and cache fit into this rank's share of its host's memory, reads them, and compares
  /// what was read.
  /// Collective; fails on all ranks together.
  static func load(
    _ description: DecoderDescription, folder: CheckpointFolder, host: HostPlan, compute: Compute,
    communicator: any Communicator, placement: ExpertPlacement, cacheBlocks: Int, cacheType: CacheType,
    checksMemory: Bool,
    agreement: WeightAgreement, onEvent: (SessionEvent) -> Void
  ) throws -> LoadedModel {
    let rank = communicator.rank
    let owns: (Int, Int) -> Bool = { _, expert in placement.owners[expert] == rank }
    let (cacheBytes, overflows) = KeyValueCache.blockByteCount(description, type: cacheType)
      .multipliedReportingOverflow(by: cacheBlocks)
    let budget = try agree(on: communicator) {
      let budget = try WeightBudget.measure(description, folder: folder, workerCount: compute.workerCount, owns: owns)
      let (sum, overflowsToo) = budget.memoryBytes.addingReportingOverflow(cacheBytes)
      let needed = overflows || overflowsToo ? Int.max : sum
      let available = host.topology.availableBytes / host.ranksOnHost
      guard needed < Int.max, !checksMemory || needed <= available else {
        throw ModelError.insufficientMemory(needed: needed, available: available)
      }
      return budget
    }
    let start = ContinuousClock.now
    let sums = ReadSums(folder)
    let readBefore = folder.bytesRead
    let (weights, arenas) = try agree(on: communicator) {
      try WeightLoader.load(description, folder: folder, pool: compute.pool, budget: budget, owns: owns, sums: sums) {
        bytes in
        onEvent(.loading(bytes: bytes, of: budget.storedBytes))
      }
    }
    try agreement.compareRead(sums.sums)
    try communicator.barrier()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let misplaced = arenas.reduce(0) { $0 + $1.verify().elsewhere }
    let report = LoadReport(
      bytesReadByRank: try everyRank(folder.bytesRead - readBefore, communicator),
      memoryByRank: try everyRank(budget.memoryBytes, communicator), seconds: seconds,
      cacheTokens: cacheBlocks * KeyValueCache.blockTokens, cacheType: cacheType, cacheBytes: cacheBytes,
      misplacedPages: Int(try communicator.allReduceSum(Int64(misplaced))))
    return LoadedModel(weights: weights, arenas: arenas, report: report)
  }

  /// Each rank's value, on every rank. Collective.
  private static func everyRank(_ value: Int, _ communicator: any Communicator) throws -> [Int] {
    var values = [Int64](repeating: 0, count: communicator.size)
    values[communicator.rank.index] = Int64(value)
    return try communicator.allReduce(values, .sum).map { Int($0) }
  }
}
