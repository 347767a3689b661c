/// The limits that a container or batch system has put on this process: control groups, version 1 or 2.
struct ControlGroup {
  /// Bytes still to be had under the tightest memory limit; nil without a limit.
  let availableBytes: Int?
  /// Cores' worth of time under the tightest quota; nil without one.
  let coreQuota: Double?

  init(files: HostFiles) {
    var available: [Int] = []
    var quotas: [Double] = []
    for entry in files.text("/proc/self/cgroup")?.split(whereSeparator: \.isNewline) ?? [] {
      // `4:memory:/a/b` in version 1, `0::/a/b` in version 2.
      let parts = entry.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",")
      for path in Self.ancestors(of: parts[2]) {
        if parts[1].isEmpty {
          for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            available += Self.available(files, mount + path, limit: "memory.max", usage: "memory.current")
            quotas += Self.quotaV2(files, mount + path)
          }
        } else if controllers.contains("memory") {
          available += Self.available(
            files, "/sys/fs/cgroup/memory" + path, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes")
        } else if controllers.contains("cpu") {
          // One of the two names is a link to the other, on hosts; a container may have only one.
          for mount in ["cpu", "cpu,cpuacct", "cpuacct,cpu"] {
            quotas += Self.quotaV1(files, "/sys/fs/cgroup/\(mount)" + path)
          }
        }
      }
    }
    availableBytes = available.min()
    coreQuota = quotas.min()
  }

  /// A group's limits are also its parents'. In a container the path may be the host's, and only the root be visible.
  private static func ancestors(of path: Substring) -> [String] {
    let names = path.split(separator: "/").filter { $0 != ".." }
    return (0...names.count).map { depth in names.prefix(depth).map { "/" + $0 }.joined() }
  }

  private static func available(_ files: HostFiles, _ group: String, limit: String, usage: String) -> [Int] {
    // The word `max` is no number, and version 1 says "no limit" with a number near the greatest.
    guard let limit = files.line("\(group)/\(limit)").flatMap({ Int($0) }), limit >= 0, limit < 1 << 60,
      let usage = files.line("\(group)/\(usage)").flatMap({ Int($0) })
    else { return [] }
    // Cached file pages count as usage, but are given back when memory is needed.
    let statistics = files.text("\(group)/memory.stat")?.split(whereSeparator: \.isNewline) ?? []
    let cached = statistics.compactMap { line -> Int? in
      let words = line.split(separator: " ")
      return words.count == 2 && ["inactive_file", "active_file"].contains(words[0]) ? Int(words[1]) : nil
    }
    let reclaimable = min(max(0, usage), cached.reduce(0) { $0.addingReportingOverflow(max(0, $1)).partialValue })
    return [max(0, limit - max(0, usage - max(0, reclaimable)))]
  }

  private static func quotaV2(_ files: HostFiles, _ group: String) -> [Double] {
    let words = files.line("\(group)/cpu.max")?.split(separator: " ").map { Double($0) } ?? []
    guard words.count == 2, let quota = words[0], let period = words[1], quota > 0, period > 0 else { return [] }
    return [quota / period]
  }

  private static func quotaV1(_ files: HostFiles, _ group: String) -> [Double] {
    guard let quota = files.line("\(group)/cpu.cfs_quota_us").flatMap({ Double($0) }), quota > 0,
      let period = files.line("\(group)/cpu.cfs_period_us").flatMap({ Double($0) }), period > 0
    else { return [] }
    return [quota / period]
  }
}
