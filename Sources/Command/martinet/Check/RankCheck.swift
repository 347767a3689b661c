import ArgumentParser
import Bytes
import Checkpoints
import ClusterCheck
import ExpertParallelism
import Fabric
import Glibc
import Inference
import JSON
import Kernels
import Machine
import MoEModel
import ModelRuntime

/// One process of a check: what it finds on its host, and with the other ranks.
struct RankCheck {
  private let command: Check

  init(_ command: Check) { self.command = command }

  /// What this process alone can tell.
  func hostFacts() throws -> HostFacts { try facts(of: try Topology.discover(), opened().facts) }

  private func facts(of topology: Topology, _ model: ModelFacts) throws -> HostFacts {
    try HostFacts(
      topology: topology, version: Martinet.configuration.version, openMPI: Launch.libraryVersion,
      instructionSet: InstructionSet.best.rawValue, options: options.joined(separator: " "), model: model)
  }

  /// Those that ranks must have alike: path, cores and kernels may be a rank's own.
  private var options: [String] {
    var model = command.model
    (model.model, model.threads, model.isa) = (nil, nil, nil)
    (model.coreOptions.cores, model.coreOptions.noPinning) = (nil, false)
    // Rank 0 reads it for all.
    if model.placementOptions.placement != nil { model.placementOptions.placement = "given" }
    return command.arguments(model)
  }

  private static func fingerprint(_ checkpoint: any Checkpoint) -> String {
    checkpoint.fingerprintParts.map { part in
      part.file.replacing(" ", with: "_") + "=" + Digits.hexadecimal(part.digest)
    }.joined(separator: " ")
  }

  /// Contents of the files, where every rank could open them and sees the same ones; a difference becomes the reason
  /// why they cannot run. Collective.
  private func compareContents(_ opened: inout Opened, _ plan: HostPlan, _ communicator: any Communicator) throws {
    guard communicator.size > 1 || command.model.checkWeights,
      try communicator.allReduceMin(opened.model == nil ? 0 : 1) == 1,
      let (checkpoint, _) = opened.model
    else { return }
    let all = try communicator.allGather(Array(opened.facts.fingerprint.utf8))
    guard all.allSatisfy({ $0 == all[0] }) else { return }
    let pool = try agree(on: communicator) { try plan.makePool() }
    let readsAll = try communicator.allReduceMax(command.model.checkWeights ? 1 : 0) == 1
    do {
      opened.facts.comparison = try WeightAgreement.check(
        checkpoint, communicator: communicator, pool: pool, readsAll: readsAll)
    } catch FabricError.peersFailed(let failures) {
      opened.facts.failure = failures.map(\.message).joined(separator: "; ")
    }
  }

  private struct Opened {
    var facts: ModelFacts
    var model: (checkpoint: any Checkpoint, description: DecoderDescription)?
  }

  /// The model, as far as it can be opened.
  private func opened() -> Opened {
    let path = command.model.model ?? "the demonstration model"
    do {
      let checkpoint = try CheckpointFormat.open(try command.model.folder())
      let options = command.sessionOptions
      let read = try ModelConfiguration.read(checkpoint).holding(command.model.weights)
      // As a run loads it.
      let predicts = try options.speculation.loadsModule(of: read, in: checkpoint)
      let description = predicts ? read.predicting() : read
      let facts = ModelFacts(
        path: path, fingerprint: Self.fingerprint(checkpoint),
        family: description.family, expertLayerCount: description.moe == nil ? 0 : description.moeLayers.count,
        byteCount: checkpoint.totalByteCount)
      return Opened(facts: facts, model: (checkpoint, description))
    } catch {
      return Opened(facts: ModelFacts(path: path, failure: "\(error)"))
    }
  }

  /// What all ranks find, on rank 0; nil elsewhere. Collective.
  func facts(_ communicator: any Communicator) throws -> ClusterFacts? {
    communicator.stallLimit = .seconds(command.timeout)
    let plan = try HostPlan.make(
      on: communicator, threadsPerRank: command.model.threads, cores: command.model.coreOptions.wishes)
    communicator.yieldsWhileWaiting = plan.assignment.oversubscribed
    var opened = opened()
    let placed = try placement(&opened, communicator)
    let isFirst = try isFirstOfItsCopy(plan, communicator)
    let needs = needs(&opened, plan, placed, communicator.rank, isFirst: isFirst)
    try compareContents(&opened, plan, communicator)
    let host = try agree(on: communicator) { try facts(of: plan.topology, opened.facts) }
    // Wall clocks, which logs and certificates go by.
    let clocks = try PeerClocks(communicator, now: Self.wallClock)
    try clocks.align(communicator)
    let links = try LinkProbe.measure(communicator, pairs: Self.pairs(clocks.hostOfRank))
    let clock = clocks.estimates[communicator.rank.index]
    let mine = RankFacts(
      rank: communicator.rank.index, host: host, workerCores: plan.assignment.cores,
      sharesCores: plan.assignment.oversubscribed,
      ranksOnHost: plan.ranksOnHost, weightBytes: needs?.weights, cacheBytes: needs?.cache,
      clockOffset: clock.offset / 1e9,
      clockError: clock.error / 1e9, addressesInUse: NetworkInterface.addressesInUse().sorted())
    guard let all = try communicator.gather(Array(mine.json.text().utf8), to: Rank(0)) else { return nil }
    return ClusterFacts(
      ranks: try all.map { try RankFacts(json: try .init(parsing: $0)) },
      links: links.map {
        LinkFacts(
          first: $0.first.index, second: $0.second.index, latency: $0.latency, bytesPerSecond: $0.bytesPerSecond)
      }, remarks: plan.remarks)
  }

  /// Whether this rank is the first, or the only one, of those that would have a copy of what is no expert in common:
  /// whose cores are all on one NUMA node, or on nodes alike. Collective.
  private func isFirstOfItsCopy(_ plan: HostPlan, _ communicator: any Communicator) throws -> Bool {
    let nodes = plan.assignment.cores.map { NUMANode.memory(near: $0, of: plan.topology.nodes) }
    let place = Set(nodes).count == 1 ? "\(nodes[0])" : nodes.map { "\($0)" }.joined(separator: ",")
    let places = try communicator.allGather(Array(place.utf8))
    guard !command.model.noShareWeights else { return true }
    return communicator.ranksOnHost.first { places[$0.index] == Array(place.utf8) } == communicator.rank
  }

  /// Where experts would be: rank 0 reads it for all, as in a run; the plain placement unless all ranks have a model
  /// and are given another. Nil without a model, or, with a reason in the facts, where the other cannot be. Collective.
  private func placement(_ opened: inout Opened, _ communicator: any Communicator) throws -> ModelPlacement? {
    let experts = command.sessionOptions.experts
    let isKnown = opened.model != nil && experts.placementPath != nil
    guard try communicator.allReduceMin(isKnown ? 1 : 0) == 1, let (_, description) = opened.model else {
      return opened.model.map {
        ModelPlacement(expertCount: $0.description.moe?.expertCount ?? 0, rankCount: communicator.size)
      }
    }
    do { return try ExpertLayout(experts, description, on: communicator).placement } catch FabricError.peersFailed(
      let failures)
    {
      opened.facts.failure = failures.map(\.message).joined(separator: "; ")
      return nil
    }
  }

  /// Bytes that this rank's weights and cache would take; nil, with a reason in the facts, where that cannot be told.
  /// What ranks have in common counts at the first of them.
  private func needs(
    _ opened: inout Opened, _ plan: HostPlan, _ placement: ModelPlacement?, _ rank: Rank, isFirst: Bool
  ) -> (weights: Int, cache: Int)? {
    guard let placement, let (checkpoint, whole) = opened.model else { return nil }
    let options = command.sessionOptions
    var description = whole
    // What auto decides for is measured when a run starts: room for either is room for the larger.
    if options.layout == .sliced, placement.rankCount > 1, whole.slicingObstacle == nil {
      description = whole.sliced(
        ModelSlice(rank: rank.index, of: placement.rankCount, dividesExperts: options.dividesExperts))
    }
    do {
      let spares = options.experts.spareExperts(placement, layers: description.moeLayers)
      let budget = try RankMemory.budget(
        description, checkpoint, workerCount: plan.assignment.cores.count, placement: placement,
        spareExperts: spares[rank.index], rank: rank)
      let blocks = KeyValueCache.blockCount(tokens: command.model.kvCacheTokens ?? GenerationSession.defaultCacheTokens)
      return (
        budget.memoryBytes - (isFirst ? 0 : budget.sharedBytes),
        options.cacheByteCount(description, cacheBlocks: blocks)
      )
    } catch {
      opened.facts.failure = "\(error)"
      return nil
    }
  }

  /// The first rank of each host with rank 0, and with the next host's.
  private static func pairs(_ hostOfRank: [Int]) -> [(Rank, Rank)] {
    let leaders = Set(hostOfRank).sorted().map { Rank($0) }
    guard let first = leaders.first else { return [] }
    let star = leaders.dropFirst().map { (first, $0) }
    let ring = zip(leaders.dropFirst(), leaders.dropFirst(2)).map { ($0, $1) }
    return star + ring
  }

  private static func wallClock() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(max(0, time.tv_sec)) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
