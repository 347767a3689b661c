import Foundation
import TestSupport
import Testing

@testable import Machine

@Suite struct TopologyTests {
  private static let twoSockets: [String: String] = [
    "/proc/sys/kernel/hostname": "node17\n",
    "/proc/meminfo": "MemTotal:  1000 kB\nMemFree:  300 kB\nMemAvailable:   700 kB\nHugePages_Total:  0\n",
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz: B\n",
    "/sys/devices/system/cpu/possible": "0-7\n",
    "/sys/devices/system/node/online": "0,2\n",
    "/sys/devices/system/node/node0/cpulist": "0-1,4-5\n",
    "/sys/devices/system/node/node2/cpulist": "2-3,6-7\n",
    "/sys/devices/system/node/node0/meminfo":
      "Node 0 MemTotal: 600 kB\nNode 0 MemFree: 100 kB\nNode 0 Active(file): 20 kB\nNode 0 Inactive(file): 3 kB\n",
    "/sys/devices/system/node/node2/meminfo": "Node 2 MemTotal: 400 kB\nNode 2 MemFree: 200 kB\n",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,4\n",
    "/sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,5\n",
    "/sys/devices/system/cpu/cpu2/topology/thread_siblings_list": "2,6\n",
    "/sys/devices/system/cpu/cpu3/topology/thread_siblings_list": "3,7\n",
    "/sys/devices/system/cpu/cpu5/topology/thread_siblings_list": "1,5\n",
  ]

  /// What is found on a host that exists only in a test, as a copy of the kernel's files.
  private func discover(_ files: [String: String], allowedCores: [Int]) throws -> Topology {
    try withTemporaryFolder { host in
      for (path, text) in files {
        let file = URL(fileURLWithPath: host.path + path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
      }
      return try Topology.discover(root: host.path, allowedCores: allowedCores)
    }
  }

  @Test func aHostOfTwoNodesIsDescribed() throws {
    let topology = try discover(Self.twoSockets, allowedCores: [5, 0, 1, 2, 3, 4, 6, 7])
    #expect(topology.hostname == "node17")
    #expect(topology.cpuModel == "Some CPU @ 2.0GHz: B")
    #expect(topology.configuredCores == 8)
    #expect(topology.allowedCores == Array(0..<8))
    #expect(topology.preferredCores == [0, 1, 2, 3])
    #expect(topology.totalBytes == 1000 * 1024 && topology.availableBytes == 700 * 1024)
    #expect(topology.coreQuota == nil)
    #expect(
      topology.nodes == [
        NUMANode(id: 0, cores: [0, 1, 4, 5], totalBytes: 600 << 10, freeBytes: 100 << 10, availableBytes: 123 << 10),
        NUMANode(id: 2, cores: [2, 3, 6, 7], totalBytes: 400 << 10, freeBytes: 200 << 10),
      ])
  }

  /// Two threads a core: a core's second level is its own, the third is shared by four cores.
  @Test func aCoreHasItsCachesAndItsPartOfSharedOnes() throws {
    #expect(try discover(Self.twoSockets, allowedCores: [0]).coreCacheBytes == 0)
    var files = Self.twoSockets
    for (index, cache) in [
      ("1", "Data", "48K", "0,4"), ("1", "Instruction", "32K", "0,4"), ("2", "Unified", "1024K", "0,4"),
      ("3", "Unified", "32768K", "0-7"),
    ].enumerated() {
      let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)"
      files["\(folder)/level"] = cache.0 + "\n"
      files["\(folder)/type"] = cache.1 + "\n"
      files["\(folder)/size"] = cache.2 + "\n"
      files["\(folder)/shared_cpu_list"] = cache.3 + "\n"
    }
    #expect(try discover(files, allowedCores: [0, 1]).coreCacheBytes == 9 << 20)
    files["/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list"] = "0,4\n"
    #expect(try discover(files, allowedCores: [0, 1]).coreCacheBytes == 33 << 20)
    // What is no number of kibibytes counts as nothing.
    for size in ["-1K", "12", "99999999999K", ""] {
      files["/sys/devices/system/cpu/cpu0/cache/index3/size"] = size + "\n"
      #expect(try discover(files, allowedCores: [0, 1]).coreCacheBytes == 1 << 20, "\(size)")
    }
  }

  @Test func onlyAllowedCoresAreListed() throws {
    let topology = try discover(Self.twoSockets, allowedCores: [5, 6, 9])
    #expect(topology.allowedCores == [5, 6, 9])
    // The siblings of 5 are not allowed; core 9 is on no node's list.
    #expect(topology.preferredCores == [5, 6, 9])
    #expect(topology.nodes.map(\.cores) == [[5, 9], [6]])
  }

  @Test func coresOfANodeWithoutMemoryUseTheNearest() throws {
    var files = Self.twoSockets
    files["/sys/devices/system/node/online"] = "0,2-3\n"
    files["/sys/devices/system/node/node3/cpulist"] = "8\n"
    files["/sys/devices/system/node/node3/meminfo"] = "Node 3 MemTotal: 0 kB\nNode 3 MemFree: 0 kB\n"
    for (distances, nearest) in [("21 17 10", 2), ("17 21 10", 0), ("20 20 10", 0), ("", 0), ("x 30", 2)] {
      files["/sys/devices/system/node/node3/distance"] = distances + "\n"
      let nodes = try discover(files, allowedCores: [0, 2, 8]).nodes
      #expect(nodes.map(\.id) == [0, 2, 3] && nodes.map(\.cores) == [[0], [2], [8]])
      #expect(nodes.map(\.memoryNode) == [0, 2, nearest], "\(distances)")
      #expect(NUMANode.memory(near: 8, of: nodes) == nearest)
      let pool = try WorkerPool(cores: [8, 2], nodes: nodes, processesByNode: [2: 3], pin: false)
      #expect((0..<2).map { pool.node(ofWorker: $0) } == [nearest, 2])
      #expect(pool.processes(onNode: 2) == 3 && pool.processes(onNode: 0) == 1)
    }
    // Without memory anywhere a node keeps its number.
    for node in [0, 2] { files["/sys/devices/system/node/node\(node)/meminfo"] = "Node \(node) MemTotal: 0 kB\n" }
    #expect(try discover(files, allowedCores: [0, 2, 8]).nodes.map(\.memoryNode) == [0, 2, 3])
  }

  @Test func aNodeOfMemoryOnlyIsListedWithoutCores() throws {
    var files = Self.twoSockets
    files["/sys/devices/system/node/node2/cpulist"] = "\n"
    let nodes = try discover(files, allowedCores: [0, 1]).nodes
    #expect(nodes.map(\.cores) == [[0, 1], []] && nodes.map(\.memoryNode) == [0, 2])
  }

  @Test func aKernelThatTellsNothingIsOneNode() throws {
    let topology = try discover(["/proc/meminfo": "MemTotal: 8 kB\nMemFree: 4 kB\n"], allowedCores: [0, 1])
    #expect(topology.nodes == [NUMANode(id: 0, cores: [0, 1], totalBytes: 8 << 10, freeBytes: 4 << 10)])
    #expect(topology.availableBytes == 4 << 10)
    #expect(topology.configuredCores == 2)
  }

  @Test func noAllowedCoreIsAnError() throws {
    #expect(throws: MachineError.noAllowedCores) { try Topology.discover(allowedCores: []) }
  }

  @Test func controlGroupsOfVersion2LimitMemoryAndTime() throws {
    var files = Self.twoSockets
    files["/proc/self/cgroup"] = "0::/slice/job\n"
    files["/sys/fs/cgroup/slice/memory.max"] = "500000\n"
    files["/sys/fs/cgroup/slice/memory.current"] = "300000\n"
    files["/sys/fs/cgroup/slice/memory.stat"] = "anon 1\ninactive_file 50000\nactive_file 7\n"
    files["/sys/fs/cgroup/slice/job/memory.max"] = "max\n"
    files["/sys/fs/cgroup/slice/job/memory.current"] = "1\n"
    files["/sys/fs/cgroup/slice/job/cpu.max"] = "250000 100000\n"
    let topology = try discover(files, allowedCores: [0])
    #expect(topology.availableBytes == 500_000 - 300_000 + 50_007)
    #expect(topology.coreQuota == 2.5)
  }

  @Test func controlGroupsOfVersion1LimitMemoryAndTime() throws {
    var files = Self.twoSockets
    // In a container, the group's path is the host's, and only the mount's root is there.
    files["/proc/self/cgroup"] = "7:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\nnonsense\n"
    files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "400000\n"
    files["/sys/fs/cgroup/memory/memory.usage_in_bytes"] = "500000\n"
    files["/sys/fs/cgroup/memory/docker/memory.limit_in_bytes"] = "9223372036854771712\n"
    files["/sys/fs/cgroup/memory/docker/memory.usage_in_bytes"] = "5\n"
    files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1\n"
    files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
    let topology = try discover(files, allowedCores: [0])
    #expect(topology.availableBytes == 0)
    #expect(topology.coreQuota == nil)
  }

  @Test func theTightestOfNestedGroupsCountsInBothVersions() throws {
    var files = Self.twoSockets
    files["/proc/self/cgroup"] = "0::/kubepods/pod1/container\n"
    files["/sys/fs/cgroup/cpu.max"] = "max 100000\n"
    files["/sys/fs/cgroup/kubepods/cpu.max"] = "800000 100000\n"
    files["/sys/fs/cgroup/kubepods/pod1/cpu.max"] = "150000 50000\n"
    files["/sys/fs/cgroup/kubepods/pod1/container/cpu.max"] = "max 100000\n"
    #expect(try discover(files, allowedCores: [0]).coreQuota == 3)
    for mount in ["cpu", "cpu,cpuacct"] {
      files = Self.twoSockets
      files["/proc/self/cgroup"] = "4:cpu,cpuacct:/system.slice/job.scope\n"
      files["/sys/fs/cgroup/\(mount)/system.slice/cpu.cfs_quota_us"] = "200000\n"
      files["/sys/fs/cgroup/\(mount)/system.slice/cpu.cfs_period_us"] = "100000\n"
      files["/sys/fs/cgroup/\(mount)/system.slice/job.scope/cpu.cfs_quota_us"] = "450000\n"
      files["/sys/fs/cgroup/\(mount)/system.slice/job.scope/cpu.cfs_period_us"] = "100000\n"
      #expect(try discover(files, allowedCores: [0]).coreQuota == 2, "\(mount)")
    }
  }

  /// From the kernel's files to the threads of one rank, and of two together, each of which has one at least.
  @Test(arguments: [
    ("max 100000", 4, 4), ("400000 100000", 4, 4), ("300000 100000", 3, 3), ("125000 50000", 2, 2),
    ("50000 100000", 1, 2),
  ]) func aQuotaDecidesHowManyThreadsCompute(limit: String, alone: Int, together: Int) throws {
    var files = Self.twoSockets
    files["/proc/self/cgroup"] = "0::/\n"
    files["/sys/fs/cgroup/cpu.max"] = limit + "\n"
    let topology = try discover(files, allowedCores: Array(0..<8))
    let cores = try CoreRequest.all.candidates(topology)
    var wishes = HostCores.Wishes()
    wishes.quota = topology.coreQuota
    for (ranks, threads) in [(1, alone), (2, together)] {
      let choice = HostCores.choose(Array(repeating: cores, count: ranks), nodes: topology.nodes, wishes)
      let shares = try (0..<ranks).map {
        try CoreAssignment.divide(
          localRank: $0, allowedCoresByLocalRank: choice.allowedByLocalRank, nodes: topology.nodes)
      }
      #expect(shares.reduce(0) { $0 + $1.cores.count } == threads && shares.allSatisfy { !$0.cores.isEmpty })
      #expect(choice.pins == (limit.hasPrefix("max") || limit.hasPrefix("400000")))
    }
  }

  @Test func coresThatTheStarterHasAndThisProcessHasNotAreKnown() throws {
    var files = Self.twoSockets
    files["/proc/self/status"] = "Name:\tmartinet\nPPid:\t17\nCpus_allowed_list:\t3\n"
    files["/proc/17/status"] = "Name:\torted\nPPid:\t1\nCpus_allowed_list:\t0-3,6\n"
    #expect(try discover(files, allowedCores: [3]).startersCores == [0, 1, 2, 3, 6])
    files["/proc/17/status"] = "Cpus_allowed_list:\tnonsense\n"
    #expect(try discover(files, allowedCores: [3]).startersCores == [])
    #expect(try discover(Self.twoSockets, allowedCores: [3]).startersCores == [])
  }

  @Test func nonsenseInTheKernelsFilesIsNoTrap() throws {
    var files = Self.twoSockets
    files["/proc/meminfo"] = "MemTotal: 99999999999999999999 kB\nMemAvailable: 9223372036854775807 kB\n: :\n"
    files["/proc/self/cgroup"] = "::\n0::/../..\n:memory\n4:memory:x\n"
    files["/sys/fs/cgroup/memory.max"] = "-5\n"
    files["/sys/fs/cgroup/cpu.max"] = "0 0\n"
    files["/sys/devices/system/node/online"] = "0-99999999999\n"
    files["/sys/devices/system/cpu/possible"] = "3-1\n"
    let topology = try discover(files, allowedCores: [0, 1])
    #expect(topology.nodes.map(\.cores) == [[0, 1]])
    #expect(topology.availableBytes == 0)
  }

  @Test(
    arguments: [
      ("0-3,8,10-11", [0, 1, 2, 3, 8, 10, 11]), ("5", [5]), ("2, 1", [1, 2]), ("", []), ("1-", nil), ("-1", nil),
      ("a", nil), ("3-2", nil), ("1-2-3", nil), ("0-4000000000", nil),
    ] as [(String, [Int]?)])
  func listsOfNumbersAreParsed(text: String, numbers: [Int]?) {
    #expect(HostFiles.numbers(inList: text) == numbers)
  }

  @Test func thisHostIsDescribed() throws {
    let topology = try Topology.discover()
    #expect(!topology.hostname.isEmpty)
    #expect(!topology.allowedCores.isEmpty && topology.configuredCores >= topology.allowedCores.count)
    #expect(Set(topology.preferredCores).isSubset(of: topology.allowedCores))
    #expect(Set(topology.nodes.flatMap(\.cores)) == Set(topology.allowedCores))
    #expect(topology.availableBytes > 0 && topology.availableBytes <= topology.totalBytes)
  }
}
