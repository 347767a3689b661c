import Checkpoints
import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import ModelRuntime
import Telemetry

/// One rank ready to generate: a loaded model with an attention cache, its expert layers, and the engine of steps.
package final class GenerationSession {
  package let runtime: ClusterRuntime
  package private(set) var model: LoadedModel
  package let options: SessionOptions
  let engine: RankEngine
  /// This rank's experts, and their way to others; nil in dense models.
  private var experts: OwnExperts?
  package let limits: SchedulerLimits
  let cache: KeyValueCache
  /// Who drafts, on rank 0; nil where nothing is drafted.
  let drafter: Drafter?
  /// Recurrent states; none in models without.
  let states: StateCache
  /// What brings ranks' slices together; nil where sequences are spread.
  private let slices: SliceGatherer?
  /// How tokens travel to experts; nil in dense models.
  package let wire: WireFormat?
  /// Shared memory of the expert layers, where there is some.
  private let channels: ExpertChannels?
  /// What a layout was chosen by, where it was; it counts as used while this lives.
  private var keptLayout: KeptLayout?
  /// Tells of steps that take long.
  private let watch: StallWatch?
  /// What messages took when they were last timed.
  var links: [LinkSample] = []
  /// What the ranks had counted when they were last asked; on rank 0.
  var accounts: [RankAccount] = []

  package var communicator: any Communicator { runtime.communicator }
  package var compute: Compute { runtime.compute }
  package var checkpoint: any Checkpoint { model.checkpoint }
  package var description: DecoderDescription { model.description }

  /// Tokens of cache a rank reserves unless told otherwise or asked for more; memory is only used as it fills.
  package static let defaultCacheTokens = 8192

  /// Opens the folder on every rank, checks that all have the same options, see the same files and read the same
  /// weights, and that each rank's part fits, and loads it. Collective; when it fails, it fails on all ranks with the
  /// same error.
  ///
  /// `prepare` is called before anything large is read, to make requests ready and find them good; it returns the
  /// tokens of cache that the longest one needs.
  package convenience init(
    model path: String, options: SessionOptions, communicator: any Communicator,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 },
    onEvent: @escaping (LoadEvent) -> Void
  ) throws {
    try self.init(
      opening: { try CheckpointFormat.open(path) }, options: options, communicator: communicator, prepare: prepare,
      onEvent: onEvent)
  }

  /// The same with the checkpoint that `open` gives this rank.
  package convenience init(
    opening open: () throws -> any Checkpoint, options: SessionOptions, communicator: any Communicator,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 },
    onEvent: @escaping (LoadEvent) -> Void
  ) throws {
    try options.terms.agree(on: communicator)
    let speculation = options.speculation
    let opened = try OpenedModel(
      opening: open, holding: options.weights,
      predictingWhere: { try speculation.loadsModule(of: $1, in: $0) },
      on: communicator, prepare: prepare)
    if communicator.isRoot {
      for note in opened.notes(ranks: communicator.size, layout: options.layout) { onEvent(.note(note)) }
      if let note = speculation.note(on: opened.description) { onEvent(.note(note)) }
    }
    let runtime = try ClusterRuntime(
      communicator, threadsPerRank: options.threadsPerRank, cores: options.cores,
      instructionSet: options.instructionSet
    ) { onEvent(.note($0)) }
    let choice = try LayoutChoice(
      options.layout, opened, runtime, streams: options.streams, dividesExperts: options.dividesExperts,
      obstacle: options.slicingObstacle, keeping: options.keeping)
    if communicator.isRoot, let note = choice.note { onEvent(.note(note)) }
    let sliced = opened.sliced(choice.slice)
    let longest = Int(try communicator.allReduceMax(Int64(opened.preparation)))
    let cacheBlocks = KeyValueCache.blockCount(tokens: options.cacheTokens ?? max(Self.defaultCacheTokens, longest))
    var load = options.load
    load.otherBytes = options.cacheByteCount(sliced.description, cacheBlocks: cacheBlocks)
    let model = try LoadedModel(sliced, runtime: runtime, options: load, onEvent: onEvent)
    try self.init(runtime, model: model, options: options, cacheBlocks: cacheBlocks)
    keptLayout = choice.kept
    if communicator.isRoot, limits.batchTokens < options.batchTokens {
      onEvent(
        .note(
          """
          steps take \(limits.batchTokens) tokens, not --max-batch-tokens \(options.batchTokens): messages of more \
          could be longer than the 2 GiB that MPI carries
          """
        ))
    }
  }

  /// Makes ready to generate with a model that is loaded already, with so many blocks of attention cache. Collective.
  package init(_ runtime: ClusterRuntime, model: LoadedModel, options: SessionOptions, cacheBlocks: Int) throws {
    (self.runtime, self.model, self.options) = (runtime, model, options)
    let (communicator, description) = (runtime.communicator, model.description)
    let wire = description.moe.map { _ in
      WireFormat(hiddenSize: description.hiddenSize, tokens: model.weights.expertRowFormat, sums: options.sums)
    }
    var limits = options.limits(description, cacheBlocks: cacheBlocks)
    if communicator.size > 1,
      let bounds = Self.messageBounds(
        model, wire: wire, moves: options.experts.moves, logitRows: limits.logitRows, runtime.clocks.hostOfRank)
    {
      limits.batchTokens = bounds.tokens(atMost: limits.batchTokens)
    }
    self.limits = limits
    let (stateCount, spareCount) = (limits.statesPerRank, limits.draftedStates)
    let (cache, states) = try agree(on: communicator) {
      (
        try KeyValueCache(description, type: options.cacheType, blockCount: cacheBlocks),
        try StateCache(description, slotCount: stateCount, spareCount: spareCount)
      )
    }
    (self.cache, self.states) = (cache, states)
    drafter = options.speculation.drafter(for: description)
    try runtime.clocks.align(communicator)
    self.wire = wire
    slices = try description.slice.map {
      let exchange = try ClusterSliceExchange(
        communicator, rows: limits.batchTokens, rowByteCount: 16 * description.hiddenSize,
        telemetry: model.telemetry, clocks: runtime.clocks)
      return SliceGatherer($0, through: exchange, fetchByteCount: runtime.compute.fetchByteCount)
    }
    if let moe = description.moe, let wire, slices == nil {
      channels = try ExpertChannels(
        communicator, placement: model.placement, moves: options.experts.moves, wire: wire, topK: moe.topK,
        batchTokens: limits.batchTokens, hostOfRank: runtime.clocks.hostOfRank)
    } else {
      channels = nil
    }
    let (decoder, experts) = Self.layers(
      of: model, runtime, cache: cache, wire: wire, channels: channels, slices: slices)
    self.experts = experts
    watch = try options.stallLimit.map {
      try StallWatch(
        communicator, progress: model.telemetry.recorder.progress, limit: $0, isSupervised: options.isSupervised,
        onStall: options.onStall)
    }
    engine = RankEngine(
      runtime, decoder: decoder, cache: cache, states: states, dispatcher: experts?.cluster,
      telemetry: model.telemetry, limits: limits)
  }

  /// Of messages of a step; nil where none are sent. What a rank may return for a token is known where experts stay
  /// where they are and no gateway adds up those of several ranks.
  private static func messageBounds(
    _ model: LoadedModel, wire: WireFormat?, moves: Bool, logitRows: Int, _ hostOfRank: [Int]
  ) -> MessageBounds? {
    if let slice = model.description.slice {
      let origins = SliceRoutes(hostOfRank: hostOfRank).mostOrigins
      return MessageBounds(model.description, slice: slice, logitRows: logitRows, origins: origins)
    }
    guard let wire, let topK = model.description.moe?.topK else { return nil }
    let isRelayed = Gateways(hostOfRank: hostOfRank).save
    return MessageBounds(wire, topK: topK, rows: moves || isRelayed ? topK : min(topK, model.placement.rowLimit))
  }

  private static func layers(
    of model: LoadedModel, _ runtime: ClusterRuntime, cache: KeyValueCache, wire: WireFormat?,
    channels: ExpertChannels?, slices: SliceGatherer?
  ) -> (Decoder, OwnExperts?) {
    let (description, compute, telemetry) = (model.description, runtime.compute, model.telemetry)
    var own: OwnExperts?
    var experts: Decoder.Experts?
    if let moe = description.moe, let slices, slices.slice.dividesExperts {
      let divided = DividedExperts(
        description, moe: moe, weights: model.weights, compute: compute, slices: slices)
      // All ranks have the same visits: they count once.
      experts = Decoder.Experts(
        MeteredExperts(divided, telemetry: telemetry, counts: runtime.communicator.isRoot),
        through: DividedDispatcher(
          compute: compute, hiddenSize: description.hiddenSize, slices: slices, phases: telemetry.recorder))
    } else if let moe = description.moe, let wire {
      let bank = ExpertBank(description, moe: moe, weights: model.weights, compute: compute)
      let metered = MeteredExperts(bank, telemetry: telemetry)
      if let slices {
        let dispatcher = SlicedDispatcher(
          rank: runtime.communicator.rank, placement: model.placement, hiddenSize: description.hiddenSize,
          compute: compute, slices: slices, telemetry: telemetry)
        own = OwnExperts(bank: bank, sliced: dispatcher)
        experts = Decoder.Experts(metered, through: dispatcher)
      } else {
        let dispatcher = ClusterDispatcher(
          communicator: runtime.communicator, placement: model.placement, compute: compute, wire: wire,
          topK: moe.topK, telemetry: telemetry, clocks: runtime.clocks, channels: channels)
        own = OwnExperts(bank: bank, cluster: dispatcher)
        experts = Decoder.Experts(metered, through: MeteredDispatcher(dispatcher, telemetry: telemetry))
      }
    }
    let decoder = Decoder(
      description, weights: model.weights, compute: compute, cache: cache, experts: experts, slices: slices,
      phases: telemetry.recorder)
    return (decoder, own)
  }

  /// Whether all ranks feed all sequences, of which each computes its slice.
  package var isSliced: Bool { slices != nil }
  /// Whether each rank computes a slice of every routed expert: all of them have the same visits then, which rank 0
  /// counts.
  package var dividesExperts: Bool { slices?.slice.dividesExperts ?? false }

  /// Has the host's keeper let go of what was kept for a restart only, at a good end. Not collective.
  package func release() {
    model.release()
    keptLayout?.release()
  }

  /// The loop of rank 0.
  package func makeLoop() -> GenerationLoop { GenerationLoop(self) }

  /// Loads a folder's weights in place of those there are, which stay until the new ones are whole: there must be room
  /// for both. What the attention cache holds is the old model's; rank 0 forgets it (`GenerationLoop.loadModel`).
  /// Collective; fails on all ranks with the same error, and then nothing has changed.
  func replaceModel(_ path: String) throws {
    let predicts = drafter?.predicts ?? false
    let opened = try OpenedModel(
      opening: { try CheckpointFormat.open(path) }, holding: options.weights,
      predictingWhere: {
        if predicts, $1.predictionLayerCount == 0 { throw InferenceError.noPredictionModule(family: $1.family) }
        return predicts
      }, on: communicator
    ).sliced(description.slice)
    try agree(on: communicator) {
      if isSliced, let reason = opened.description.slicingObstacle { throw RuntimeError.notSliceable(reason) }
    }
    var load = options.load
    // Where experts have moved meanwhile, the new ones go.
    (load.experts.placement, load.experts.placementPath) = (model.placement, nil)
    // A job that is started again begins with the model it was started with.
    load.keeping.mode = .off
    let new = try LoadedModel(opened, runtime: runtime, options: load, telemetry: model.telemetry, onEvent: { _ in })
    try agree(on: communicator) {
      let (found, expected) = (ModelShape(new.description, new.weights), ModelShape(model.description, model.weights))
      guard found == expected else {
        throw RuntimeError.otherShape(found: found.description, expected: expected.description)
      }
    }
    let (decoder, experts) = Self.layers(of: new, runtime, cache: cache, wire: wire, channels: channels, slices: slices)
    self.experts = experts
    engine.replace(decoder: decoder, dispatcher: experts?.cluster)
    model = new
  }

  /// One round of experts that change places. Collective; fails on all ranks with the same error, and then nothing has
  /// changed.
  func moveExperts(_ moves: [ExpertMove]) throws {
    let changes = try model.move(moves, on: communicator)
    for change in changes { experts?.bank.set(change.weights, layer: change.layer, expert: change.expert) }
    experts?.cluster?.adopt(model.placement)
    experts?.sliced?.adopt(model.placement)
  }
}

/// This rank's experts, and the way of tokens to them: from their homes, or from all ranks at once where all have them.
private struct OwnExperts {
  let bank: ExpertBank
  var cluster: ClusterDispatcher?
  var sliced: SlicedDispatcher?
}
