/// The cores of one host that a job uses, chosen before they are divided among its ranks there: by what was asked for,
/// by the time a control group grants, and by what other jobs have taken.
package struct HostCores: Sendable, Equatable {
  /// What each rank of the host may choose from, for `CoreAssignment.divide`.
  package var allowedByLocalRank: [[Int]]
  /// Whether workers are to stay on their cores.
  package var pins: Bool
  /// Whether they share cores with another job.
  package var isCrowded = false
  /// What a user should know, in whole sentences without a stop.
  package var remarks: [String] = []

  /// What a choice depends on; every rank of a host makes the same of the same.
  package struct Wishes: Sendable {
    package var request = CoreRequest.all
    package var threadsPerRank: Int?
    package var pins = true
    /// Cores' worth of time that a control group grants; nil without such a limit.
    package var quota: Double?
    /// Cores that other jobs of this program hold.
    package var busy: Set<Int> = []
    package init() {}
  }

  /// `candidates` are the cores each rank of the host may use, by local rank, none of them empty.
  package static func choose(_ candidates: [[Int]], nodes: [NUMANode], _ wishes: Wishes) -> HostCores {
    var choice = HostCores(allowedByLocalRank: candidates, pins: wishes.pins)
    if wishes.pins { choice.leaveToOthers(wishes) }
    choice.limit(nodes, wishes)
    return choice
  }

  private var union: Set<Int> { allowedByLocalRank.reduce(into: []) { $0.formUnion($1) } }

  /// Avoids cores that others hold, or shares them without being pinned where too few are free.
  private mutating func leaveToOthers(_ wishes: Wishes) {
    let taken = union.intersection(wishes.busy)
    guard !taken.isEmpty else { return }
    let names = "core\(taken.count > 1 ? "s" : "") \(CoreRequest.text(taken))"
    if case .list = wishes.request {
      remarks.append(
        "\(names), named with --cores, \(taken.count > 1 ? "are" : "is") used by another job of martinet, too")
      return
    }
    let free = allowedByLocalRank.map { cores in cores.filter { !taken.contains($0) } }
    let rest = union.subtracting(taken)
    var wanted = wishes.threadsPerRank.map { $0 * allowedByLocalRank.count }
    if case .count(let count) = wishes.request { wanted = min(wanted ?? count, count) }
    let isEnough = wanted.map { rest.count >= min($0, union.count) } ?? (rest.count >= allowedByLocalRank.count)
    if isEnough, free.allSatisfy({ !$0.isEmpty }) {
      allowedByLocalRank = free
      if wanted == nil {
        remarks.append("another job of martinet uses \(names): this one takes the other \(rest.count)")
      }
    } else {
      (pins, isCrowded) = (false, true)
      remarks.append(
        """
        another job of martinet uses \(names), and too few are left: threads are not pinned, and both jobs slow \
        each other down; give each its part with --cores
        """
      )
    }
  }

  /// Takes no more cores than were asked for, nor than there is time for.
  private mutating func limit(_ nodes: [NUMANode], _ wishes: Wishes) {
    let available = union.count
    if case .count(let count) = wishes.request { cut(to: count, nodes) }
    guard let quota = wishes.quota else { return }
    // A worker with part of a core's time would hold all others up.
    let granted = max(1, Int(min(quota, 1e6)))
    let grant = "a control group grants \(Self.short(quota)) of \(available) cores' time"
    let remedy =
      "raise its limit (resources.limits.cpu in Kubernetes, --cpus of a container, CPUQuota of a unit) for more"
    if let threads = wishes.threadsPerRank {
      let all = threads * allowedByLocalRank.count
      if Double(all) > quota {
        remarks.append(
          "\(grant): \(all) threads will be held up again and again; give fewer with --threads, or \(remedy)")
      }
      return
    }
    guard granted < union.count else { return }
    cut(to: granted, nodes)
    // Which cores are idle the scheduler knows; another container's threads may be pinned to the same.
    pins = false
    let ranks = allowedByLocalRank.count
    let workers = max(granted, ranks)
    remarks.append(
      """
      \(grant): \(workers) thread\(workers == 1 ? " computes" : "s compute"), and \(workers == 1 ? "is" : "are") \
      not pinned\(ranks > granted ? ", which is still more than granted, one for each rank" : ""); \(remedy)
      """
    )
  }

  /// Leaves `count` cores, at least one for each rank where there are enough.
  private mutating func cut(to count: Int, _ nodes: [NUMANode]) {
    var position: [Int: Int] = [:]
    for (place, node) in nodes.enumerated() { for core in node.cores { position[core] = place } }
    func ordered(_ cores: [Int]) -> [Int] { cores.sorted { (position[$0] ?? .max, $0) < (position[$1] ?? .max, $1) } }
    let ranks = max(1, allowedByLocalRank.count)
    guard count < union.count else { return }
    if Set(allowedByLocalRank.map { Set($0) }).count == 1 {
      let kept = Set(ordered(allowedByLocalRank[0]).prefix(max(count, ranks)))
      allowedByLocalRank = allowedByLocalRank.map { $0.filter(kept.contains) }
    } else {
      allowedByLocalRank = allowedByLocalRank.map { Array(ordered($0).prefix(max(1, count / ranks))) }
    }
  }

  /// `2.5`, `3`.
  private static func short(_ number: Double) -> String {
    let tenths = (number * 10).rounded() / 10
    return tenths == tenths.rounded() && abs(tenths) < 1e9 ? "\(Int(tenths))" : "\(tenths)"
  }
}
