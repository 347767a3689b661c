import JSON

@testable import ClusterCheck

/// Facts of hosts that there are not.
enum Invented {
  /// A host without fault; `change` makes it another.
  static func host(_ name: String, _ change: (inout HostFacts) -> Void = { _ in }) throws -> HostFacts {
    let number = Int(name.filter(\.isNumber)) ?? 0
    let json: JSONValue = [
      "host": .string(name), "version": "1.0", "build": "00aa", "program": "/opt/martinet",
      "open_mpi": "Open MPI v4.1.4", "libc": "2.36",
      "kernel": "6.1", "cpu": "EPYC", "instruction_set": "avx512", "allowed_cores": 4, "configured_cores": 4,
      "core_quota": .null,
      "total_bytes": .int(8 << 30), "available_bytes": .int(6 << 30), "shared_memory_free_bytes": .int(4 << 30),
      "shared_memory_bytes": .int(4 << 30), "open_files": 65536,
      "interfaces": [["name": "eth0", "address": .string("10.0.0.\(number)"), "prefix_length": 24, "megabits": .null]],
      "options": "--weights auto",
      "model": [
        "path": "/models/m", "fingerprint": "ff00", "family": "mixtral", "expert_layers": 10, "bytes": .int(1 << 30),
        "failure": .null,
      ],
    ]
    var facts = try HostFacts(json: json)
    change(&facts)
    return facts
  }

  static func rank(_ number: Int, on host: HostFacts, _ change: (inout RankFacts) -> Void = { _ in }) -> RankFacts {
    var facts = RankFacts(
      rank: number, host: host, workerCores: [0, 1, 2, 3], sharesCores: false, ranksOnHost: 1, weightBytes: 1 << 30,
      cacheBytes: 1 << 28,
      clockOffset: 0, clockError: 1e-5, addressesInUse: host.interfaces.map(\.address))
    change(&facts)
    return facts
  }

  /// One rank on each of `count` hosts and a link of each with the first.
  static func cluster(_ count: Int, _ change: (inout ClusterFacts) -> Void = { _ in }) throws -> ClusterFacts {
    var facts = ClusterFacts(
      ranks: try (0..<count).map { rank($0, on: try host("node\($0 + 1)")) },
      links: (1..<max(1, count)).map { LinkFacts(first: 0, second: $0, latency: 20e-6, bytesPerSecond: 1.2e9) })
    change(&facts)
    return facts
  }
}

extension [Finding] {
  /// The findings about `subject`.
  func about(_ subject: String) -> [Finding] { filter { $0.subject == subject } }
  var worst: Finding.Status { map(\.status).max() ?? .ok }
}
