/// What follows from what the ranks of a run found together.
package struct RankJudgement {
  private let facts: ClusterFacts
  /// Whether the user chose the number of threads: then idle cores are meant.
  private let threadsAreGiven: Bool

  package init(_ facts: ClusterFacts, threadsAreGiven: Bool = false) {
    (self.facts, self.threadsAreGiven) = (facts, threadsAreGiven)
  }

  package var findings: [Finding] { [memory, cores, quota, clocks].compactMap { $0 } + LinkJudgement(facts).findings }

  /// Hosts in the order of their first rank, with their ranks.
  private var hosts: [(name: String, ranks: [RankFacts])] {
    var order: [String] = []
    var ranks: [String: [RankFacts]] = [:]
    for rank in facts.ranks {
      if ranks[rank.host.host] == nil { order.append(rank.host.host) }
      ranks[rank.host.host, default: []].append(rank)
    }
    return order.map { ($0, ranks[$0] ?? []) }
  }

  private var memory: Finding? {
    var rows: [(name: String, needed: Int, available: Int)] = []
    for host in hosts {
      var needed = 0
      for rank in host.ranks {
        guard let weights = rank.weightBytes, let cache = rank.cacheBytes else { return nil }
        let (sum, overflows) = weights.addingReportingOverflow(cache)
        needed = overflows ? .max : needed.addingReportingOverflow(sum).overflow ? .max : needed + sum
      }
      rows.append((host.name, needed, host.ranks.map(\.host.availableBytes).min() ?? 0))
    }
    let ranks = Words.sizes(facts.ranks.map { $0.weightBytes ?? 0 })
    let words = "weights \(ranks) a rank, cache \(Words.sizes(facts.ranks.map { $0.cacheBytes ?? 0 }))"
    let short = rows.filter { $0.needed > $0.available }
    guard short.isEmpty else {
      return Finding(
        "memory", .problem, hosts: short.map(\.name),
        words + "; "
          + short.prefix(8).map { "\($0.name) needs \(Words.size($0.needed)) and has \(Words.size($0.available))" }
          .joined(separator: "; "),
        advice:
          """
          use more hosts (martinet plan tells how many), hold weights in fewer bits (--weights), or less cache \
          (--kv-cache-tokens, --kv-cache bf16)
          """
      )
    }
    let tight = rows.filter { Double($0.needed) > 0.9 * Double($0.available) }
    let available = Words.sizes(rows.map(\.available))
    return Finding(
      "memory", tight.isEmpty ? .ok : .warning, hosts: tight.map(\.name), "\(words); \(available) available on a host",
      advice: tight.isEmpty
        ? nil
        : """
        more than nine tenths of what is available would be used: leave room for others on \
        \(Words.list(tight.map(\.name)))
        """
    )
  }

  private var cores: Finding {
    let workers = facts.ranks.map(\.workerCores.count)
    let threads = Words.range(workers.map { Double($0) }) { "\(Int($0))" }
    let words =
      """
      \(Words.count(facts.ranks.count, "rank")) on \(Words.count(hosts.count, "host")), \(threads) \
      \(workers.max() == 1 ? "thread" : "threads") each
      """
    let crowded = hosts.filter { $0.ranks.contains(where: \.sharesCores) }.map(\.name)
    guard crowded.isEmpty else {
      return Finding(
        "cores", .warning, hosts: crowded, "\(words); ranks or threads share cores on \(Words.list(crowded))",
        advice: "start fewer ranks there, or give fewer --threads: a rank that waits keeps its core busy")
    }
    // A quota, other jobs, ranks that were bound to a core: whoever dealt out the cores has said what to do.
    guard facts.remarks.isEmpty else {
      return Finding("cores", .warning, "\(words); \(facts.remarks.joined(separator: "; "))")
    }
    // mpirun binds each of two ranks to one core unless told otherwise.
    let idle = hosts.filter { host in
      let used = Set(host.ranks.flatMap(\.workerCores)).count
      return !threadsAreGiven && 2 * used < (host.ranks.first?.host.configuredCores ?? 0)
    }
    guard let first = idle.first else { return Finding("cores", .ok, "\(words), each on its own core") }
    let used = Set(first.ranks.flatMap(\.workerCores)).count
    return Finding(
      "cores", .warning, hosts: idle.map(\.name),
      "\(words); only \(used) of the \(first.ranks.first?.host.configuredCores ?? 0) cores of \(first.name) are used",
      advice:
        """
        start one rank on each NUMA node with all its cores (--map-by ppr:1:numa --bind-to numa), or unbound \
        (--bind-to none)
        """
    )
  }

  private var quota: Finding? {
    guard facts.remarks.isEmpty else { return nil }
    let short = hosts.filter { host in
      guard let quota = host.ranks.compactMap(\.host.coreQuota).min() else { return false }
      return quota < Double(Set(host.ranks.flatMap(\.workerCores)).count)
    }
    guard let first = short.first, let quota = first.ranks.compactMap(\.host.coreQuota).min() else { return nil }
    return Finding(
      "core quota", .warning, hosts: short.map(\.name),
      """
      a control group grants \(Words.decimal(quota)) cores of time on \(first.name), and the ranks there have \
      \(Set(first.ranks.flatMap(\.workerCores)).count) threads
      """,
      advice:
        """
        raise the quota (cpu limits of the container), or give no more --threads than it: threads that are stopped \
        keep all ranks waiting
        """
    )
  }

  private var clocks: Finding? {
    guard hosts.count > 1 else { return nil }
    // Only what is more than the measurement's own error.
    let off = facts.ranks.filter { abs($0.clockOffset) - $0.clockError > 1 }
    let most = facts.ranks.map { abs($0.clockOffset) }.max() ?? 0
    let names = hosts.map(\.name).filter { name in off.contains { $0.host.host == name } }
    guard let worst = off.max(by: { abs($0.clockOffset) < abs($1.clockOffset) }) else {
      return Finding("clocks", .ok, "at most \(Words.time(most)) apart")
    }
    return Finding(
      "clocks", .warning, hosts: names,
      """
      the clock of \(worst.host.host) is \(Words.decimal(worst.clockOffset)) s off that of \
      \(facts.ranks[0].host.host)
      """,
      advice:
        """
        let chrony or systemd-timesyncd set the clocks of \(Words.list(names)): logs and certificates go by them; \
        results do not
        """
    )
  }
}
