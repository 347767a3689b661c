import Bytes
import Checkpoints
import Fabric
import Kernels
import Machine
import MoEModel

/// Where a rank's weights go, or lie already: in memory of its own, in memory that ranks of its host have in common,
/// and in memory that a keeper has kept from a job before.
///
/// Ranks have what is no routed expert in common when all their workers are on one NUMA node, the same for all of them,
/// or are spread over nodes alike: so there is one copy near whoever reads it. The first of them packs it, the others
/// map it.
final class HostWeights {
  private(set) var memory: WeightMemory
  /// Bytes that this rank need not find memory for, since they are there.
  private(set) var takenBytes = 0
  /// Bytes of this rank's in `LoadReport.memoryByRank`: a copy for several counts at the rank that packs it.
  private(set) var memoryBytes: Int
  /// Bytes of the checkpoint that are to be read.
  private(set) var bytesToRead: Int
  /// The share of a copy for several that falls to this rank, of what memory is to be found.
  private(set) var neededBytes: Int
  /// Ranks that have a copy in common with this one, itself among them; none where it has one of its own.
  private(set) var sharers: [Rank] = []
  private(set) var reason: String?
  private let options: KeepingOptions
  let communicator: any Communicator
  private let pool: WorkerPool
  private var client: KeeperClient?
  /// What is at the keeper, or is to go there.
  private var pools: [(kept: KeptPool, isTaken: Bool, isShared: Bool)] = []

  /// Collective. What cannot be had costs time or memory only: then this rank reads, and `reason` says why.
  init(
    _ options: KeepingOptions, _ opened: OpenedModel, runtime: ClusterRuntime, budget: WeightBudget,
    owns: @escaping (Int, Int) -> Bool
  ) throws {
    (self.options, communicator, pool) = (options, runtime.communicator, runtime.compute.pool)
    let pool = runtime.compute.pool
    let nodes = (0..<pool.workerCount).map { pool.node(ofWorker: $0) }
    memory = WeightMemory(own: .init(arenas: [], isFilled: false))
    (memoryBytes, neededBytes, bytesToRead) = (budget.memoryBytes, budget.memoryBytes, budget.storedBytes)
    let place = Set(nodes).count == 1 ? "\(nodes.first ?? 0)" : nodes.map { "\($0)" }.joined(separator: ",")
    if options.mode != .off { try connect(opened.checkpoint) }
    let keeps = client != nil

    // What ranks have in common first: whether there is such a copy decides what is this rank's own.
    var sharers = [communicator.rank]
    if options.shares {
      let places = try communicator.allGather(Array(place.utf8))
      sharers = communicator.ranksOnHost.filter { places[$0.index] == Array(place.utf8) }
    }
    let (isLeader, isCommon) = (sharers.first == communicator.rank, sharers.count > 1 && budget.sharedBytes > 0)
    var layout = try agree(on: communicator) {
      keeps
        ? try WeightLayout(opened.description, checkpoint: opened.checkpoint, nodes: nodes, apart: isCommon, owns: owns)
        : nil
    }
    func manifest(_ digest: [UInt8], _ bytes: [(node: Int, byteCount: Int)]) -> KeptManifest {
      KeptManifest(
        fingerprint: opened.checkpoint.fingerprint, files: opened.checkpoint.fileStamp ?? [],
        precision: opened.description.weights.rawValue, layout: digest,
        segments: bytes.map { .init(node: $0.node, byteCount: $0.byteCount) })
    }
    let subject = "\(opened.checkpoint.path), \(opened.description.weights.rawValue)"
    var shared: WeightMemory.Pool?
    let sharedBytes = budget.bytesByNode(of: pool, .shared)
    if isCommon, isLeader {
      let digest = layout?.shared ?? []
      shared = pooled("\(subject), of ranks on NUMA node \(place)", manifest(digest, sharedBytes), isShared: true)
    }
    if options.shares { try exchange(&shared, sharedBytes, leader: sharers.first, isCommon: isCommon) }
    self.sharers = shared == nil ? [] : sharers
    if isCommon, shared == nil, keeps {
      layout = try? WeightLayout(
        opened.description, checkpoint: opened.checkpoint, nodes: nodes, apart: false, owns: owns)
    }

    var ownBytes = budget.bytesByNode(of: pool, shared == nil ? .all : .own)
    if keeps, !ownBytes.isEmpty { ownBytes[0].byteCount += budget.vectorRoom }
    let name = "\(subject), rank \(communicator.rank.index) of \(communicator.size)"
    if keeps, let layout, let own = pooled(name, manifest(layout.own, ownBytes), isShared: false) {
      memory = WeightMemory(own: own, shared: shared)
      memory.holdsVectors = true
    } else {
      client = nil
      memory = WeightMemory(own: .init(arenas: [], isFilled: false), shared: shared)
    }
    // Where one rank has no memory, none goes on.
    try agree(on: communicator) {
      guard !memory.holdsVectors else { return }
      memory.own = .init(
        arenas: try ownBytes.map { try WeightMemory.arena($0.node, $0.byteCount, pool) }, isFilled: false)
    }
    account(budget, isLeader: isLeader)
  }

  private func account(_ budget: WeightBudget, isLeader: Bool) {
    let isShared = memory.shared != nil
    let own = budget.memoryBytes - (isShared ? budget.sharedBytes : 0)
    memoryBytes = own + (isShared && isLeader ? budget.sharedBytes : 0)
    let isSharedThere = pools.contains { $0.isShared && $0.isTaken }
    neededBytes = memory.own.isFilled ? budget.vectorBytes : own
    if isShared, !isSharedThere || !isLeader { neededBytes += budget.sharedBytes / max(1, sharers.count) }
    let ownStored = budget.storedBytes - (isShared ? budget.sharedStoredBytes : 0)
    bytesToRead =
      (memory.own.isFilled ? 0 : ownStored) + (memory.shared.map { $0.isFilled ? 0 : budget.sharedStoredBytes } ?? 0)
    takenBytes = (memory.own.isFilled ? own : 0) + (isSharedThere ? budget.sharedBytes : 0)
  }

  /// Whether all is there and nothing is to be read.
  var isFilled: Bool { memory.own.isFilled && memory.shared?.isFilled ?? true }

  // MARK: The keeper

  private func connect(_ checkpoint: any Checkpoint) throws {
    // One of a host's ranks starts it.
    if communicator.localRank > 0 { try communicator.barrier() }
    do {
      if checkpoint.fileStamp == nil { throw MachineError.keeper("the checkpoint is not made of files") }
      client = try KeeperClient.start(options.folder, command: options.command)
    } catch { reason = "\(error)" }
    if communicator.localRank == 0 { try communicator.barrier() }
  }

  /// Memory that another process may have: taken from the keeper, or new; nil where the kernel gives none.
  private func pooled(_ name: String, _ manifest: KeptManifest, isShared: Bool) -> WeightMemory.Pool? {
    var kept: KeptPool?
    if let client {
      let found = KeptPool(client: client, name: name, wanted: manifest)
      let (arenas, reason) = found.take(pool)
      if let reason { self.reason = self.reason ?? "what was kept is not taken: \(reason)" }
      if let arenas {
        pools.append((found, true, isShared))
        return WeightMemory.Pool(arenas: arenas, isFilled: true)
      }
      kept = found
    }
    do {
      let arenas = try manifest.segments.map {
        try NodeArena(
          node: $0.node, byteCount: $0.byteCount, in: try SharedMemory(roomFor: $0.byteCount), isWritable: true,
          processes: isShared ? 1 : pool.processes(onNode: $0.node))
      }
      if let kept { pools.append((kept, false, isShared)) }
      return WeightMemory.Pool(arenas: arenas, isFilled: false)
    } catch {
      reason = reason ?? "no memory can be shared: \(error)"
      return nil
    }
  }

  /// Makes ready what this rank is to fill, once it is known that there is room. Not collective.
  func prepare() {
    for place in [memory.own, memory.shared].compactMap({ $0 }) where !place.isFilled {
      pool.run { [pool] worker in
        for arena in place.arenas { arena.takeHugePages(part: worker, of: pool.workerCount) }
      }
    }
  }

  /// Hands over what this rank has filled. Not collective.
  func settle() {
    for index in pools.indices where !pools[index].isTaken {
      let place = pools[index].isShared ? memory.shared : memory.own
      guard let place, !place.isFilled else { continue }
      if let refusal = pools[index].kept.hold(place.arenas, pool, seconds: options.seconds) {
        reason = reason ?? "weights are not kept: \(refusal)"
      }
    }
  }

  /// At a good end: has the keeper let go of what would only serve after a bad one.
  func release() {
    guard options.mode == .restarts else { return }
    for pool in pools { try? pool.kept.client.drop(pool.kept.name) }
  }

  // MARK: What ranks have in common

  /// Tells the others of a host where their leader's copy lies, and maps it there. Where that cannot be, a rank has its
  /// own. Collective.
  private func exchange(
    _ shared: inout WeightMemory.Pool?, _ bytes: [(node: Int, byteCount: Int)], leader: Rank?, isCommon: Bool
  ) throws {
    var writer = ByteWriter()
    for arena in shared?.arenas ?? [] {
      guard let reference = arena.shared?.reference else { continue }
      writer.write(reference.process)
      writer.write(reference.descriptor)
      writer.write(reference.device)
      writer.write(reference.inode)
      writer.write(Int64(reference.byteCount))
    }
    let all = try communicator.allGather(writer.bytes)
    guard isCommon, let leader, leader != communicator.rank else { return }
    var reader = ByteReader(all[leader.index])
    do {
      var arenas: [NodeArena] = []
      for (node, byteCount) in bytes {
        let reference = SharedMemory.Reference(
          process: try reader.read(), descriptor: try reader.read(), device: try reader.read(),
          inode: try reader.read(), byteCount: Int(try reader.read(Int64.self)))
        arenas.append(
          try NodeArena(node: node, byteCount: byteCount, in: try SharedMemory(reference), isWritable: false))
      }
      shared = WeightMemory.Pool(arenas: arenas, isFilled: true)
    } catch {
      reason = reason ?? "it has a copy of its own of what other ranks of its host have: \(error)"
    }
  }
}
