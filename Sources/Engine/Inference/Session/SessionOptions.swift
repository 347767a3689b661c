import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import ModelRuntime
import Telemetry

/// What a user may choose about a run, beside model and prompts.
package struct SessionOptions: Sendable {
  /// Workers of each rank; nil for one on every core the rank may use.
  package var threadsPerRank: Int?
  /// Which cores, and whether workers stay on them.
  package var cores = HostPlan.CoreWishes()
  /// Tokens of attention cache on each rank; nil for a default that fits the requests.
  package var cacheTokens: Int?
  package var cacheType = CacheType.f32
  /// Recurrent states on each rank, in models that keep some; nil for the default.
  package var stateCount: Int?
  /// Find again what the cache holds of earlier sequences.
  package var keepsPrefixes = true
  package var batchTokens = 512
  package var sequences = 256
  package var instructionSet: InstructionSet?
  /// How weights are held.
  package var weights = WeightPrecision.auto
  /// How partial outputs travel between ranks.
  package var sums = WireFormat.Sums.float32
  /// Whether and how steps try tokens ahead.
  package var speculation = SpeculationOptions()
  /// How ranks share what is no routed expert's, and for how many sequences at once that is to be chosen where it is
  /// `auto`.
  package var layout = RankLayout.spread
  package var streams = 1
  /// Which rank holds which experts.
  package var experts = ExpertOptions()
  /// Refuse to start when this rank's part does not fit into the memory available.
  package var checksMemory = true
  /// Read all files once on every host before anything else, and compare them.
  package var checksWeights = false
  /// Whether weights outlive this process, and ranks of a host share some.
  package var keeping = KeepingOptions()
  /// How long a rank may be in one place of a step before it says so; nil for as long as it likes.
  package var stallLimit: Duration? = .seconds(10)
  /// Hears of this rank's having been in one place for that long, again and again, and nil when it goes on; from a
  /// thread of its own.
  package var onStall: @Sendable (StallReport?) -> Void = { _ in }
  /// Whether a supervisor reads what ranks say of long steps, and not a user.
  package var isSupervised = false
  package init() {}

  /// What must be the same on all ranks: what changes results, or which messages are sent.
  package var terms: RunTerms {
    var terms = RunTerms()
    terms.add("--weights", weights.rawValue)
    terms.add("--combine-format", sums.rawValue)
    terms.add("--kv-cache", cacheType.rawValue)
    terms.add("--kv-cache-tokens", cacheTokens.map { "\($0)" } ?? "default")
    terms.add("--recurrent-states", stateCount.map { "\($0)" } ?? "default")
    terms.add("--max-batch-tokens", "\(batchTokens)")
    terms.add("--max-sequences", "\(sequences)")
    terms.add("--no-prefix-cache", keepsPrefixes ? "off" : "on")
    terms.add("--layout", layout.rawValue)
    terms.add("--speculate", speculation.mode.rawValue)
    terms.add("--draft-tokens", "\(speculation.draftTokens)")
    terms.add("--placement", experts.placementPath == nil ? "off" : "on")
    terms.add("--replica-memory", "\(experts.replicaShare)")
    terms.add("--rebalance", experts.moves ? "on" : "off")
    terms.add("--check-weights", checksWeights ? "on" : "off")
    terms.add("--keep-weights", keeping.mode.rawValue)
    terms.add("--no-share-weights", keeping.shares ? "off" : "on")
    return terms
  }

  /// Whether slices are of routed experts too: unless something is said of which rank holds which of them.
  package var dividesExperts: Bool {
    experts.placementPath == nil && experts.placement == nil && experts.replicaShare == 0 && !experts.moves
  }

  /// What of these does not go with slices; nil where all does.
  var slicingObstacle: String? {
    sums == .float32
      ? nil : "--combine-format \(sums.rawValue) rounds sums on their way to one rank, and slices go to all as they are"
  }

  /// How the model is checked.
  var load: LoadOptions {
    var load = LoadOptions()
    (load.checksMemory, load.checksWeights, load.experts) = (checksMemory, checksWeights, experts)
    load.keeping = keeping
    return load
  }

  /// Recurrent states a rank has room for unless told otherwise: those of sixteen sequences, and as many snapshots.
  package static let defaultStateCount = 32

  /// Slots of recurrent states on each rank; 0 in models that keep none.
  package func stateCount(_ description: DecoderDescription) -> Int {
    description.isRecurrent ? max(1, stateCount ?? Self.defaultStateCount) : 0
  }

  /// Slots behind these for states after drafts; 0 where nothing drafts.
  package func spareStateCount(_ description: DecoderDescription) -> Int {
    guard description.isRecurrent, let drafter = speculation.drafter(for: description) else { return 0 }
    return max(SpeculationOptions.leastStates, drafter.limit)
  }

  /// Bytes that a rank reserves for states and so many blocks of attention cache; `Int.max` where they cannot be
  /// counted.
  package func cacheByteCount(_ description: DecoderDescription, cacheBlocks: Int) -> Int {
    let (cache, tooLong) = KeyValueCache.blockByteCount(description, type: cacheType)
      .multipliedReportingOverflow(by: cacheBlocks)
    let (states, tooMany) = StateCache.slotByteCount(description)
      .multipliedReportingOverflow(by: stateCount(description) + spareStateCount(description))
    let (sum, overflows) = cache.addingReportingOverflow(states)
    return tooLong || tooMany || overflows ? .max : sum
  }

  func limits(_ description: DecoderDescription, cacheBlocks: Int) -> SchedulerLimits {
    var limits = SchedulerLimits()
    limits.batchTokens = batchTokens
    limits.sequences = sequences
    limits.keepsPrefixes = keepsPrefixes
    limits.blocksPerRank = cacheBlocks
    limits.statesPerRank = stateCount(description)
    limits.draftedStates = spareStateCount(description)
    // Logits of one step of scoring stay below 64 MiB.
    limits.scoredRows = max(1, (64 << 20) / (description.vocabularySize * 4))
    return limits
  }
}
