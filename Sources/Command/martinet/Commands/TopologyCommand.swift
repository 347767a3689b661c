import ArgumentParser
import Fabric
import JSON
import Machine
import ModelRuntime
import Reports

/// `martinet topology`: hosts, NUMA nodes, ranks and the cores they are pinned to.
struct TopologyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topology",
    abstract: "Hosts, NUMA nodes, ranks, cores, memory, and whether memory lies where it should.")

  @Option(parsing: .unconditional, help: "Worker threads of each rank; by default one on each core the rank may use.")
  var threads: Int?
  @OptionGroup var coreOptions: CoreOptions

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws {
    try withRanks { communicator in
      let host = try HostPlan.make(on: communicator, threadsPerRank: threads, cores: coreOptions.wishes)
      let (pool, checks) = try agree(on: communicator) {
        let pool = try host.makePool()
        return (pool, try Self.placements(pool))
      }
      let mine = Self.json(communicator, host, pool, checks)
      guard let all = try communicator.gather(Array(mine.text().utf8), to: Rank(0)) else { return }
      let ranks = try all.map { try JSONValue(parsing: $0) }
      if json {
        show((["ranks": .array(ranks)] as JSONValue).text(pretty: true))
      } else {
        for line in Self.lines(ranks) { show(line) }
      }
    }
  }

  /// Memory on every node this rank uses, touched by that node's workers, and where it turned out to lie.
  private static func placements(_ pool: WorkerPool) throws -> [PlacementCheck] {
    let nodes = Set((0..<pool.workerCount).map { pool.node(ofWorker: $0) }).sorted()
    let size = 16 << 20
    return try nodes.map { node in
      let arena = try NodeArena(node: node, byteCount: size)
      let memory = try arena.allocate(byteCount: size)
      let workers = (0..<pool.workerCount).filter { pool.node(ofWorker: $0) == node }
      pool.run { worker in
        guard let place = workers.firstIndex(of: worker) else { return }
        for offset in stride(from: size * place / workers.count, to: size * (place + 1) / workers.count, by: 4096) {
          memory.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
        }
      }
      return arena.verify()
    }
  }

  private static func json(
    _ communicator: any Communicator, _ host: HostPlan, _ pool: WorkerPool, _ checks: [PlacementCheck]
  ) -> JSONValue {
    let topology = host.topology
    return [
      "rank": .int(communicator.rank.index), "host": .string(topology.hostname), "cpu": .string(topology.cpuModel),
      "cores": .array(host.assignment.cores.map { .int($0) }), "oversubscribed": .bool(host.assignment.oversubscribed),
      "pinned": .bool(host.pins), "remarks": .array(host.remarks.map { .string($0) }),
      "core_quota": topology.coreQuota.map { .double($0) } ?? .null,
      "nodes_of_workers": .array((0..<pool.workerCount).map { .int(pool.node(ofWorker: $0)) }),
      "allowed_cores": .array(topology.allowedCores.map { .int($0) }),
      "configured_cores": .int(topology.configuredCores), "ranks_on_host": .int(host.ranksOnHost),
      "total_bytes": .int(topology.totalBytes), "available_bytes": .int(topology.availableBytes),
      "numa_nodes": .array(
        topology.nodes.map {
          [
            "node": .int($0.id), "cores": .array($0.cores.map { .int($0) }), "total_bytes": .int($0.totalBytes),
            "available_bytes": .int($0.availableBytes),
          ] as JSONValue
        }),
      "placements": .array(
        checks.map {
          [
            "node": .int($0.node), "pages_on_node": .int($0.onNode), "pages_elsewhere": .int($0.elsewhere),
            "pages_unknown": .int($0.unknown), "huge_page_bytes": $0.hugePageBytes.map { .int($0) } ?? .null,
            "not_verified": $0.notVerified.map { .string($0) } ?? .null, "summary": .string($0.description),
          ] as JSONValue
        }),
    ]
  }

  private static func lines(_ ranks: [JSONValue]) -> [String] {
    let size = Figures.size
    func ints(_ value: JSONValue?) -> [Int] { value?.array?.compactMap(\.exactInt) ?? [] }
    func bytes(_ value: JSONValue?) -> String { size(value?.exactInt ?? 0) }
    var lines: [String] = []
    var seen: Set<String> = []
    for first in ranks {
      guard let host = first["host"]?.string, seen.insert(host).inserted else { continue }
      lines.append(
        """
        host \(host): \(first["cpu"]?.string ?? ""), \(first["configured_cores"]?.exactInt ?? 0) cores, \
        \(bytes(first["available_bytes"])) of \(bytes(first["total_bytes"])) memory available
        """
      )
      let nodes = first["numa_nodes"]?.array ?? []
      if nodes.count <= 1 {
        lines.append("  one NUMA node: all memory is equally near to all cores")
      } else {
        for node in nodes {
          lines.append(
            """
              node \(node["node"]?.exactInt ?? 0): cores \(coreList(ints(node["cores"]))), \
            \(bytes(node["available_bytes"])) of \(bytes(node["total_bytes"])) available
            """
          )
        }
      }
      for rank in ranks where rank["host"]?.string == host {
        let cores = ints(rank["cores"])
        let isShared = rank["oversubscribed"]?.bool == true
        let how =
          isShared
          ? "not pinned: ranks, threads or jobs share cores" : rank["pinned"]?.bool == true ? "pinned" : "not pinned"
        lines.append(
          """
            rank \(rank["rank"]?.exactInt ?? 0): \(cores.count) worker\(cores.count == 1 ? "" : "s") on \
          core\(cores.count == 1 ? "" : "s") \(coreList(cores)), \(how)
          """
        )
        for placement in rank["placements"]?.array ?? [] {
          lines.append("    memory: \(placement["summary"]?.string ?? "")")
        }
      }
    }
    return lines + (ranks.first?["remarks"]?.array ?? []).compactMap { $0.string.map { "\($0)." } }
  }

  /// Cores as ranges: 0–3, 8.
  private static func coreList(_ cores: [Int]) -> String {
    CoreRequest.text(cores).replacing("-", with: "–").replacing(",", with: ", ")
  }
}
