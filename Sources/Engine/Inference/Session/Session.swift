import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
import Machine
import MoEModel
import Telemetry

/// One rank with a model loaded, ready for steps.
package final class Session {
  package let communicator: any Communicator
  package let folder: CheckpointFolder
  package let description: DecoderDescription
  package let host: HostPlan
  package let compute: Compute
  package let engine: RankEngine
  package let limits: SchedulerLimits
  package let report: LoadReport
  /// How rows travel between ranks; nil in dense models.
  package let wire: WireFormat?
  /// Tells of steps that take long.
  private let watch: StallWatch?
  /// The memory the weights lie in.
  private let arenas: [NodeArena]

  /// Tokens of cache a rank reserves unless told otherwise or asked for more; memory is only used as it fills.
  package static let defaultCacheTokens = 8192

  /// Opens the folder on every rank, checks that all have the same options, see the same files and read the same weights, and
  /// that each rank's part fits, and loads it.
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
    try options.terms.agree(on: communicator)
    let (folder, description, wanted) = try agree(on: communicator) {
      let folder = try CheckpointFolder(path: path)
      let description = try ModelConfiguration.read(folder).holding(options.weights)
      return (folder, description, try prepare(folder, description))
    }
    (self.folder, self.description) = (folder, description)
    let agreement = try WeightAgreement(folder, communicator: communicator)
    try agreement.compareFiles()
    if communicator.isRoot { Self.note(description, ranks: communicator.size, onEvent) }

    let host = try HostPlan.make(on: communicator, threadsPerRank: options.threadsPerRank, cores: options.cores)
    if communicator.isRoot { for remark in host.remarks { onEvent(.note(remark)) } }
    communicator.yieldsWhileWaiting = host.assignment.oversubscribed
    compute = Compute(
      pool: try agree(on: communicator) { try host.makePool() }, instructionSet: options.instructionSet ?? .best)
    self.host = host
    try agreement.compareSamples(pool: compute.pool)
    if options.checksWeights {
      let found = try agreement.compareAll(pool: compute.pool)
      if communicator.isRoot { onEvent(.note(found)) }
    }

    let longest = Int(try communicator.allReduceMax(Int64(wanted)))
    let cacheBlocks = KeyValueCache.blockCount(tokens: options.cacheTokens ?? max(Self.defaultCacheTokens, longest))
    limits = Self.limits(options, description, cacheBlocks: cacheBlocks)

    let placement = ExpertPlacement(expertCount: description.mixture?.expertCount ?? 0, rankCount: communicator.size)
    let model = try LoadedModel.load(
      description, folder: folder, host: host, compute: compute, communicator: communicator, placement: placement,
      cacheBlocks: cacheBlocks, cacheType: options.cacheType, checksMemory: options.checksMemory, agreement: agreement,
      onEvent: onEvent)
    (arenas, report) = (model.arenas, model.report)

    let cache = try agree(on: communicator) {
      try KeyValueCache(description, type: options.cacheType, blockCount: cacheBlocks)
    }
    let telemetry = RankTelemetry(
      layerCount: description.layerCount, expertCount: description.mixture?.expertCount ?? 0,
      rankCount: communicator.size)
    let clocks = try PeerClocks(communicator)
    try clocks.align(communicator)
    var cluster: ClusterDispatcher?
    var experts: Decoder.Experts?
    var wire: WireFormat?
    if let mixture = description.mixture {
      let bank = ExpertBank(description, mixture: mixture, weights: model.weights, compute: compute)
      let format = WireFormat(hiddenSize: description.hiddenSize, tokens: bank.rowFormat, sums: options.sums)
      let dispatcher = ClusterDispatcher(
        communicator: communicator, placement: placement, compute: compute, wire: format, topK: mixture.topK,
        telemetry: telemetry, clocks: clocks,
        channels: try ExpertChannels(
          communicator, placement: placement, wire: format, topK: mixture.topK, batchTokens: options.batchTokens,
          hostOfRank: clocks.hostOfRank))
      (wire, cluster) = (format, dispatcher)
      experts = Decoder.Experts(
        MeteredExperts(bank, telemetry: telemetry), through: MeteredDispatcher(dispatcher, telemetry: telemetry))
    }
    self.wire = wire
    let decoder = Decoder(
      description, weights: model.weights, compute: compute, cache: cache, experts: experts, phases: telemetry.recorder)
    watch = try options.stallLimit.map {
      try StallWatch(
        communicator, progress: telemetry.recorder.progress, limit: $0, isSupervised: options.isSupervised,
        onStall: options.onStall)
    }
    engine = RankEngine(
      communicator: communicator, decoder: decoder, cache: cache, dispatcher: cluster, compute: compute,
      telemetry: telemetry, clocks: clocks, host: host)
  }

  /// The loop of rank 0.
  package func makeLoop() -> GenerationLoop { GenerationLoop(engine: engine, limits: limits) }

  private static func limits(_ options: SessionOptions, _ description: DecoderDescription, cacheBlocks: Int)
    -> SchedulerLimits
  {
    var limits = SchedulerLimits()
    limits.batchTokens = options.batchTokens
    limits.sequences = options.sequences
    limits.keepsPrefixes = options.keepsPrefixes
    limits.blocksPerRank = cacheBlocks
    // Logits of one step of scoring stay below 64 MiB.
    limits.scoredRows = max(1, (64 << 20) / (description.vocabularySize * 4))
    return limits
  }

  private static func note(
    _ description: DecoderDescription, ranks: Int, _ onEvent: (SessionEvent) -> Void
  ) {
    if description.predictionLayerCount > 0 {
      onEvent(
        .note(
          "left out the checkpoint's multi-token prediction layers (\(description.predictionLayerCount)): decoding does not need them"
        ))
    }
    if let unread = description.unreadNote { onEvent(.note(unread)) }
    if let mixture = description.mixture, ranks > mixture.expertCount {
      onEvent(
        .note(
          "\(ranks) ranks share \(mixture.expertCount) experts: \(ranks - mixture.expertCount) of them own none and only attend"
        ))
    } else if description.mixture == nil, ranks > 1 {
      onEvent(
        .note("a dense model has no experts to spread: every rank holds all of it, and ranks share out the sequences"))
    }
  }
}
