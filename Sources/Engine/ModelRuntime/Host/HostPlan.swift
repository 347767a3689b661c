import Bytes
import Fabric
import Machine

/// Where one rank runs: its host's topology and the cores it was dealt.
package struct HostPlan: Sendable {
  /// What a user may say of cores.
  package struct CoreWishes: Sendable {
    package var request = CoreRequest.all
    /// Whether workers stay on their cores.
    package var pins = true
    /// Whether to keep away from cores that other jobs hold, and hold those used against others: for programs, of which
    /// a process is one rank.
    package var claims = false
    /// How long to wait for cores that another job holds: it may be about to end.
    package var patience = Duration.zero
    package init() {}
  }

  package let topology: Topology
  package let assignment: CoreAssignment
  package let ranksOnHost: Int
  /// How many ranks of the host have workers near to each NUMA node.
  package let ranksByNode: [Int: Int]
  /// Whether workers stay on their cores.
  package let pins: Bool
  /// What a user should know of the cores of all hosts; the same on all ranks.
  package let remarks: [String]

  /// Gathers what every rank may use and deals out the cores of each host. Collective.
  package static func make(
    on communicator: any Communicator, threadsPerRank: Int?, cores wishes: CoreWishes = CoreWishes()
  ) throws -> HostPlan {
    let (topology, candidates) = try agree(on: communicator) {
      let topology = try Topology.discover()
      return (topology, try wishes.request.candidates(topology))
    }
    let offers = try communicator.allGather(Offer(cores: candidates, quota: topology.coreQuota).bytes)
    var shortage: String?
    let host = try agree(on: communicator) {
      let host = try communicator.ranksOnHost.map { try Offer(bytes: offers[$0.index]) }
      let usable = host.reduce(into: Set<Int>()) { $0.formUnion($1.cores) }
      if let missing = wishes.request.shortage(usable, topology) {
        // A launcher may have given this host less than others, and the ranks of one what is left of a list.
        guard Launch.current.launcher != nil, !usable.isEmpty else { throw missing }
        shortage = "on host \(topology.hostname): \(missing); going on with cores \(CoreRequest.text(usable))"
      }
      if let threadsPerRank {
        // Some tests and users want more threads than cores; hundreds would only be a typing error that takes minutes.
        let limit = max(64, 4 * topology.allowedCores.count)
        guard threadsPerRank <= limit else {
          throw RuntimeError.tooManyThreads(threadsPerRank, cores: topology.allowedCores.count, limit: limit)
        }
      }
      return host
    }
    func choose(_ busy: Set<Int>) -> HostCores {
      var all = HostCores.Wishes()
      (all.request, all.threadsPerRank, all.pins, all.busy) = (wishes.request, threadsPerRank, wishes.pins, busy)
      all.quota = host.compactMap(\.quota).min()
      return HostCores.choose(host.map(\.cores), nodes: topology.nodes, all)
    }
    func divide(_ choice: HostCores, _ localRank: Int) throws(MachineError) -> CoreAssignment {
      try CoreAssignment.divide(
        localRank: localRank, allowedCoresByLocalRank: choice.allowedByLocalRank, nodes: topology.nodes,
        threadsPerRank: threadsPerRank)
    }
    // One rank of each host chooses for all of them.
    let notice = try agree(on: communicator) {
      guard communicator.localRank == 0 else { return Notice() }
      var notice = Notice()
      let shortages = [shortage].compactMap { $0 }
      func settle(_ busy: Set<Int>) throws -> Set<Int> {
        notice.busy = busy.sorted()
        let choice = choose(busy)
        let shares = try host.indices.map { try divide(choice, $0) }
        notice.remarks = shortages + choice.remarks
        if let bound = boundRemark(topology, host, threadsPerRank: threadsPerRank) { notice.remarks.append(bound) }
        return choice.pins ? Set(shares.filter { !$0.oversubscribed }.flatMap(\.cores)) : []
      }
      if wishes.claims, wishes.pins {
        try CoreClaims.claim(
          host.reduce(into: []) { $0.formUnion($1.cores) }, patience: wishes.patience, choose: settle)
      } else {
        _ = try settle([])
      }
      return notice
    }
    let notices = try communicator.allGather(notice.bytes)
    return try agree(on: communicator) {
      let all = try notices.map { try Notice(bytes: $0) }
      let choice = choose(Set(communicator.ranksOnHost.flatMap { all[$0.index].busy }))
      let share = try divide(choice, communicator.localRank)
      var ranksByNode: [Int: Int] = [:]
      for place in host.indices {
        let cores = try divide(choice, place).cores
        for node in Set(cores.map { NUMANode.memory(near: $0, of: topology.nodes) }) {
          ranksByNode[node, default: 0] += 1
        }
      }
      return HostPlan(
        topology: topology,
        assignment: CoreAssignment(cores: share.cores, oversubscribed: share.oversubscribed || choice.isCrowded),
        ranksOnHost: communicator.localSize, ranksByNode: ranksByNode, pins: choice.pins && !share.oversubscribed,
        remarks: Self.merged(all.map(\.remarks)))
    }
  }

  /// Each remark once, in the order of ranks.
  private static func merged(_ remarks: [[String]]) -> [String] {
    var seen: Set<String> = []
    return remarks.flatMap(\.self).filter { seen.insert($0).inserted }
  }

  /// What to say where a launcher has bound each rank to one core and leaves others idle.
  private static func boundRemark(_ topology: Topology, _ host: [Offer], threadsPerRank: Int?) -> String? {
    let all = topology.startersCores.count
    let used = host.reduce(into: Set<Int>()) { $0.formUnion($1.cores) }.count
    // Hardware threads of a core count as one.
    let threads = max(1, topology.allowedCores.count / max(1, topology.preferredCores.count))
    guard Launch.current.launcher != nil, threadsPerRank != 1, host.allSatisfy({ $0.cores.count == 1 }),
      used * threads < all
    else { return nil }
    return
      """
      the launcher has bound each rank on host \(topology.hostname) to one core, and \(all - used * threads) of \
      \(all) are left unused: start mpirun with --bind-to none, or --map-by ppr:1:numa --bind-to numa; srun with \
      --cpus-per-task
      """
  }

  /// The NUMA node of all its cores; nil where they lie on several.
  package var numaNode: Int? {
    let nodes = topology.nodes.filter { !Set($0.cores).isDisjoint(with: assignment.cores) }
    return nodes.count == 1 ? nodes[0].id : nil
  }

  package func makePool() throws -> WorkerPool {
    try WorkerPool(
      cores: assignment.cores, nodes: topology.nodes, processesByNode: ranksByNode, pin: pins,
      oversubscribed: assignment.oversubscribed)
  }
}

/// What one rank may use.
private struct Offer {
  var cores: [Int]
  var quota: Double?

  init(cores: [Int], quota: Double?) { (self.cores, self.quota) = (cores, quota) }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(cores.map { Int32($0) })
    writer.write(quota ?? 0)
    return writer.bytes
  }

  init(bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    cores = try reader.readInts().map { Int($0) }
    let value = try reader.readDouble()
    quota = value > 0 && value.isFinite ? value : nil
  }
}

/// What the rank that chooses for its host tells the others.
private struct Notice {
  var busy: [Int] = []
  var remarks: [String] = []

  init() {}

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(busy.map { Int32($0) })
    writer.write(UInt32(remarks.count))
    for remark in remarks { writer.write(remark) }
    return writer.bytes
  }

  init(bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    busy = try reader.readInts().map { Int($0) }
    for _ in 0..<min(try reader.read(UInt32.self), 64) { remarks.append(try reader.readText()) }
  }
}
