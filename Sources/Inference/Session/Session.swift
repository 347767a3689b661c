import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel

/// One rank with a model loaded, ready for steps.
package final class Session {
  package let communicator: any Communicator
  package let description: DecoderDescription
  package let folder: CheckpointFolder
  package let host: HostPlan
  package let engine: RankEngine
  package let compute: Compute
  package let report: LoadReport
  package let limits: SchedulerLimits
  private let arenas: [NodeArena]

  /// What loading cost, over all ranks; the same on every rank.
  package struct LoadReport: Sendable {
    package var bytesReadByRank: [Int]
    package var memoryByRank: [Int]
    package var seconds: Double
    package var cacheTokens: Int
    package var cacheBytes: Int
    package var placements: [PlacementCheck]

    /// "read 12.3 + 11.9 MiB in 0.1 s (2.3 GB/s); …", one line.
    package var summary: String {
      let total = bytesReadByRank.reduce(0, +)
      let rate = seconds > 0 ? Double(total) / seconds / 1e9 : 0
      return "read \(Self.perRank(bytesReadByRank)) at \(Self.decimals(rate, 2)) GB/s; memory \(Self.perRank(memoryByRank)), "
        + "and up to \(Self.size(cacheBytes)) a rank for a cache of \(cacheTokens) tokens"
    }

    private static func perRank(_ bytes: [Int]) -> String {
      guard let low = bytes.min(), let high = bytes.max(), bytes.count > 1 else { return size(bytes.first ?? 0) }
      return low == high ? "\(size(low)) a rank" : "\(size(low)) to \(size(high)) a rank"
    }

    package static func size(_ bytes: Int) -> String {
      let units = ["B", "KiB", "MiB", "GiB", "TiB"]
      var value = Double(bytes)
      var unit = 0
      while value >= 1024, unit < units.count - 1 {
        value /= 1024
        unit += 1
      }
      return unit == 0 ? "\(bytes) B" : "\(decimals(value, 1)) \(units[unit])"
    }

    package static func decimals(_ value: Double, _ places: Int) -> String {
      guard value.isFinite else { return "-" }
      var scale = 1.0
      for _ in 0..<places { scale *= 10 }
      let scaled = (value * scale).rounded()
      guard abs(scaled) < 1e15 else { return "\(value)" }
      let digits = String(Int(abs(scaled)))
      let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
      let sign = scaled < 0 ? "-" : ""
      return places == 0 ? sign + padded : sign + padded.dropLast(places) + "." + padded.suffix(places)
    }
  }

  /// Opens the folder on every rank, checks that all see the same files and that each rank's part fits, and loads it.
  /// Collective; when it fails, it fails on all ranks with the same error.
  ///
  /// `prepare` is called before anything large is read, to make requests ready and find them good; it returns the tokens
  /// of cache that the longest one needs.
  package init(
    model path: String, options: SessionOptions, communicator: any Communicator,
    prepare: (CheckpointFolder, DecoderDescription) throws -> Int = { _, _ in 0 },
    onEvent: @escaping (SessionEvent) -> Void
  ) throws {
    self.communicator = communicator
    let (folder, description, wanted) = try agree(on: communicator) {
      let folder = try CheckpointFolder(path: path)
      let description = try ModelConfiguration.read(try folder.settings())
      return (folder, description, try prepare(folder, description))
    }
    let cacheTokensWanted = Int(try communicator.allReduceMax(Int64(wanted)))
    self.folder = folder
    self.description = description
    let fingerprints = try communicator.allGather(folder.fingerprint)
    try agree(on: communicator) { try Self.compare(fingerprints) }
    Self.note(description, folder, communicator, onEvent)
    host = try HostPlan.make(on: communicator, threadsPerRank: options.threadsPerRank)
    let pool = try agree(on: communicator) { [host] in try host.makePool() }
    compute = Compute(pool: pool, instructionSet: options.instructionSet ?? .best)

    let placement = description.mixture.map { ExpertPlacement(expertCount: $0.expertCount, rankCount: communicator.size) }
    let rank = communicator.rank
    let owns: @Sendable (Int, Int) -> Bool = { _, expert in placement?.owners[expert] == rank }
    let cacheTokens = options.cacheTokens ?? max(Self.defaultCacheTokens, cacheTokensWanted)
    let blocks = KeyValueCache.blockCount(tokens: cacheTokens)
    let cacheBytes = KeyValueCache.blockByteCount(description) * blocks
    let budget = try agree(on: communicator) { [host] in
      let budget = try WeightBudget.measure(description, folder: folder, workerCount: pool.workerCount, owns: owns)
      let needed = budget.memoryBytes + cacheBytes
      let available = host.topology.availableBytes / host.ranksOnHost
      guard !options.checksMemory || needed <= available else {
        throw ModelError.insufficientMemory(rank: rank.index, needed: needed, available: available)
      }
      return budget
    }
    let clock = ContinuousClock()
    let start = clock.now
    let (weights, arenas) = try agree(on: communicator) {
      try WeightLoader.load(description, folder: folder, pool: pool, budget: budget, owns: owns) { bytes in
        onEvent(.loading(bytes: bytes, of: budget.storedBytes))
      }
    }
    self.arenas = arenas
    try communicator.barrier()
    let elapsed = (clock.now - start) / .seconds(1)
    let cache = try agree(on: communicator) { try KeyValueCache(description, blockCount: blocks) }
    report = LoadReport(
      bytesReadByRank: try Self.gather(folder.bytesRead, communicator),
      memoryByRank: try Self.gather(budget.memoryBytes, communicator), seconds: elapsed, cacheTokens: blocks * KeyValueCache.blockTokens,
      cacheBytes: cacheBytes, placements: arenas.map { $0.verify() })

    var limits = SchedulerLimits()
    limits.batchTokens = options.batchTokens
    limits.sequences = options.sequences
    limits.blocksPerRank = blocks
    // Logits of one step stay below 64 MiB.
    limits.scoredRows = max(1, (64 << 20) / (description.vocabularySize * 4))
    self.limits = limits

    var experts: (any ExpertLayer)?
    var distributed: DistributedExperts?
    if let mixture = description.mixture, let placement {
      let bank = ExpertBank(description, mixture: mixture, weights: weights, compute: compute)
      let layer = DistributedExperts(
        communicator: communicator, placement: placement, bank: bank, compute: compute, hiddenSize: description.hiddenSize,
        topK: mixture.topK)
      experts = layer
      distributed = layer
    }
    let decoder = Decoder(description, weights: weights, compute: compute, cache: cache, experts: experts)
    engine = RankEngine(
      communicator: communicator, decoder: decoder, cache: cache, distributed: distributed, compute: compute)
  }

  /// Tokens of cache a rank reserves unless told otherwise or asked for more; memory is only used as it fills.
  package static let defaultCacheTokens = 8192

  /// Throws when a rank sees files other than rank 0's.
  private static func compare(_ fingerprints: [[UInt8]]) throws(InferenceError) {
    if let other = fingerprints.firstIndex(where: { $0 != fingerprints[0] }) { throw .differentFiles(Rank(other)) }
  }

  private static func note(
    _ description: DecoderDescription, _ folder: CheckpointFolder, _ communicator: any Communicator,
    _ onEvent: (SessionEvent) -> Void
  ) {
    guard communicator.isRoot else { return }
    let extra = description.predictionLayerCount
    if extra > 0, folder.names.contains(where: { $0.hasPrefix(TensorNaming.layer(description.layerCount) + ".") }) {
      onEvent(.note("left out \(extra) multi-token prediction layer\(extra == 1 ? "" : "s") of the checkpoint: decoding does not need \(extra == 1 ? "it" : "them")"))
    }
    if let mixture = description.mixture, communicator.size > mixture.expertCount {
      onEvent(.note("\(communicator.size) ranks share \(mixture.expertCount) experts: \(communicator.size - mixture.expertCount) ranks own none and only attend"))
    } else if description.mixture == nil, communicator.size > 1 {
      onEvent(.note("a dense model has no experts to spread: every rank holds all of it and ranks share out the sequences"))
    }
  }

  private static func gather(_ value: Int, _ communicator: any Communicator) throws -> [Int] {
    var mine = [Int64](repeating: 0, count: communicator.size)
    mine[communicator.rank.index] = Int64(value)
    return try communicator.allReduce(mine, .sum).map { Int($0) }
  }

  package func makeLoop() -> GenerationLoop { GenerationLoop(engine: engine, limits: limits) }
}
