private import CHost
private import Glibc

/// What this process may use of its host.
package struct Topology: Sendable, Equatable {
  package let hostname: String
  /// As the kernel names it; empty where it does not.
  package let cpuModel: String
  /// In the kernel's order; one node of number 0 where the kernel tells of none.
  package let nodes: [NUMANode]
  /// Hardware threads this process may run on, ascending: the kernel's affinity mask, which honours cpusets.
  package let allowedCores: [Int]
  /// Hardware threads that the process which started this one may run on: more than the allowed ones where a launcher
  /// has bound this one.
  package let startersCores: [Int]
  /// One allowed hardware thread of each physical core: two on one core would share its arithmetic units.
  package let preferredCores: [Int]
  /// Hardware threads of the whole host.
  package let configuredCores: Int
  /// Cores' worth of time granted by a control group; nil without such a quota.
  package let coreQuota: Double?
  /// A core's own caches, from the second level on, and its part of those that it shares with others; 0 where the
  /// kernel does not tell.
  package let coreCacheBytes: Int
  package let totalBytes: Int
  /// The least of what the host and the control groups still have to give.
  package let availableBytes: Int

  /// Describes this host, or the one whose `/proc` and `/sys` were copied under `root`. `allowedCores`: numbers of
  /// logical cores; nil for those that this process may run on.
  package static func discover(root: String = "", allowedCores: [Int]? = nil) throws(MachineError) -> Topology {
    let files = HostFiles(root: root)
    let allowed: [Int]
    if let allowedCores { allowed = Set(allowedCores).sorted() } else { allowed = try Self.affinity() }
    guard !allowed.isEmpty else { throw .noAllowedCores }
    let memory = files.memoryTable("/proc/meminfo")
    let group = ControlGroup(files: files)
    let available = memory["MemAvailable"] ?? memory["MemFree"] ?? 0
    let configured = files.list("/sys/devices/system/cpu/possible")?.count ?? allowed.count
    return Topology(
      hostname: files.line("/proc/sys/kernel/hostname") ?? "localhost",
      cpuModel: Self.cpuModel(files),
      nodes: Self.nodes(files, allowed: allowed, memory: memory),
      allowedCores: allowed,
      startersCores: Self.startersCores(files),
      preferredCores: Self.onePerCore(files, allowed: allowed),
      configuredCores: max(configured, allowed.count),
      coreQuota: group.coreQuota,
      coreCacheBytes: Self.coreCacheBytes(files, core: allowed[0]),
      totalBytes: memory["MemTotal"] ?? 0,
      availableBytes: min(available, group.availableBytes ?? available))
  }

  /// Caches of the second level on as `/sys` tells them, each divided by the cores that share it; threads of a core
  /// share the first level.
  private static func coreCacheBytes(_ files: HostFiles, core: Int) -> Int {
    let caches = (0..<8).compactMap { index -> (level: Int, bytes: Int, sharers: Int)? in
      let folder = "/sys/devices/system/cpu/cpu\(core)/cache/index\(index)"
      guard let level = files.line("\(folder)/level").flatMap({ Int($0) }), let size = files.line("\(folder)/size"),
        size.hasSuffix("K"), let kibibytes = Int(size.dropLast()), (1...(1 << 24)).contains(kibibytes),
        files.line("\(folder)/type") != "Instruction", let sharers = files.list("\(folder)/shared_cpu_list")?.count
      else { return nil }
      return (level, kibibytes << 10, max(sharers, 1))
    }
    let threads = caches.first { $0.level == 1 }?.sharers ?? 1
    return caches.filter { $0.level > 1 }.reduce(0) { $0 + $1.bytes / max($1.sharers / threads, 1) }
  }

  /// Empty where the kernel does not tell.
  private static func startersCores(_ files: HostFiles) -> [Int] {
    func value(_ key: String, of process: String) -> String? {
      let lines = files.text("/proc/\(process)/status")?.split(whereSeparator: \.isNewline) ?? []
      return lines.first { $0.hasPrefix(key + ":") }.map { line in
        String(line.dropFirst(key.count + 1).filter { !$0.isWhitespace })
      }
    }
    guard let starter = value("PPid", of: "self").flatMap({ Int($0) }), starter > 0,
      let list = value("Cpus_allowed_list", of: "\(starter)")
    else { return [] }
    return HostFiles.numbers(inList: list) ?? []
  }

  private static func affinity() throws(MachineError) -> [Int] {
    var cores = [Int32](repeating: 0, count: 4096)
    var count = host_allowed_cores(&cores, cores.count)
    if count > cores.count {
      cores = [Int32](repeating: 0, count: count)
      count = host_allowed_cores(&cores, cores.count)
    }
    guard count >= 0 else { throw .system("sched_getaffinity", Int32(-count)) }
    return cores.prefix(count).map { Int($0) }
  }

  private static func nodes(_ files: HostFiles, allowed: [Int], memory: [String: Int]) -> [NUMANode] {
    let allowed = Set(allowed)
    let directory = "/sys/devices/system/node"
    let ids = files.list("\(directory)/online") ?? []
    let tables = ids.map { files.memoryTable("\(directory)/node\($0)/meminfo") }
    var nodes = zip(ids, tables).map { id, memory in
      let cores = files.list("\(directory)/node\(id)/cpulist") ?? []
      let free = memory["MemFree"] ?? 0
      let cached = (memory["Active(file)"] ?? 0).addingReportingOverflow(memory["Inactive(file)"] ?? 0).partialValue
      return NUMANode(
        id: id, cores: cores.filter { allowed.contains($0) }, totalBytes: memory["MemTotal"] ?? 0, freeBytes: free,
        availableBytes: free.addingReportingOverflow(max(0, cached)).partialValue,
        memoryNode: memory["MemTotal"] == 0 ? nearestMemory(files, to: id, ids: ids, tables) : nil)
    }
    // A core that no node lists must still belong somewhere.
    let homeless = allowed.subtracting(nodes.flatMap(\.cores)).sorted()
    if nodes.isEmpty {
      let free = memory["MemFree"] ?? 0
      nodes = [
        NUMANode(
          id: 0, cores: homeless, totalBytes: memory["MemTotal"] ?? 0, freeBytes: free,
          availableBytes: memory["MemAvailable"] ?? free)
      ]
    } else if !homeless.isEmpty {
      let first = nodes[0]
      nodes[0] = NUMANode(
        id: first.id, cores: (first.cores + homeless).sorted(), totalBytes: first.totalBytes,
        freeBytes: first.freeBytes, availableBytes: first.availableBytes, memoryNode: first.memoryNode)
    }
    return nodes
  }

  /// The nearest node with memory by the kernel's distances, which stand in the order of the nodes that are online; nil
  /// where none has memory.
  private static func nearestMemory(_ files: HostFiles, to id: Int, ids: [Int], _ tables: [[String: Int]]) -> Int? {
    let text = files.line("/sys/devices/system/node/node\(id)/distance") ?? ""
    let distances = text.split(whereSeparator: \.isWhitespace).map { Int($0) ?? .max }
    let candidates = ids.indices.filter { (tables[$0]["MemTotal"] ?? 0) > 0 }
    func distance(_ place: Int) -> Int { distances.indices.contains(place) ? distances[place] : .max }
    return candidates.min { (distance($0), ids[$0]) < (distance($1), ids[$1]) }.map { ids[$0] }
  }

  private static func onePerCore(_ files: HostFiles, allowed: [Int]) -> [Int] {
    var covered: Set<Int> = []
    return allowed.filter { thread in
      guard !covered.contains(thread) else { return false }
      let siblings = files.list("/sys/devices/system/cpu/cpu\(thread)/topology/thread_siblings_list") ?? []
      covered.formUnion(siblings)
      return true
    }
  }

  private static func cpuModel(_ files: HostFiles) -> String {
    for line in files.text("/proc/cpuinfo")?.split(whereSeparator: \.isNewline) ?? []
    where line.hasPrefix("model name") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      return String(line[colon...].dropFirst().drop(while: \.isWhitespace))
    }
    return ""
  }
}
