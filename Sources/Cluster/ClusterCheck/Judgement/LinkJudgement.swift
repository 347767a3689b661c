/// What follows from messages between hosts: how fast they are, and by which interfaces they go.
struct LinkJudgement {
  private let facts: ClusterFacts

  init(_ facts: ClusterFacts) { self.facts = facts }

  var findings: [Finding] { [links, interfaces].compactMap { $0 } }

  private func host(_ rank: Int) -> String { facts.ranks[rank].host.host }

  private func median(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.sorted()[values.count / 2] }

  private var links: Finding? {
    guard !facts.links.isEmpty else { return nil }
    let (latencies, rates) = (facts.links.map(\.latency), facts.links.map(\.bytesPerSecond))
    var words = "\(Words.range(latencies, Words.time)) one way, \(Words.range(rates, Words.rate)) between hosts"
    // A token's row goes to its experts and comes back once in each layer.
    let floor = 2 * (latencies.max() ?? 0) * Double(facts.ranks.first?.host.model.expertLayerCount ?? 0)
    if floor > 0 { words += "; a token takes at least \(Words.time(floor)) of messages" }
    let (latency, rate) = (median(latencies), median(rates))
    let slow = facts.links.filter { $0.latency > max(3 * latency, 50e-6) || $0.bytesPerSecond < 0.5 * rate }
    guard slow.isEmpty else {
      let pairs = slow.prefix(4).map {
        "\(host($0.first)) – \(host($0.second)) \(Words.time($0.latency)), \(Words.rate($0.bytesPerSecond))"
      }
      let counts = slow.flatMap { [host($0.first), host($0.second)] }.reduce(into: [String: Int]()) {
        $0[$1, default: 0] += 1
      }
      let most = counts.values.max() ?? 0
      return Finding(
        "links", .warning, hosts: counts.filter { $0.value == most }.keys.sorted(),
        "\(words); slower than the others: \(pairs.joined(separator: "; "))",
        advice:
          """
          look at the cable, the port and the load of these hosts, or leave the slow one out: all ranks wait for \
          the slowest link
          """
      )
    }
    guard latency > 1e-3 else { return Finding("links", .ok, words) }
    return Finding(
      "links", .warning, words,
      advice:
        """
        such a network makes every step slow: see that messages go by the fast interface (--mca btl_tcp_if_include \
        NETWORK/BITS), and deploy/network.md
        """
    )
  }

  /// By host, in the order of ranks: the interfaces its messages went by, of all its ranks.
  private var used: [(host: String, interfaces: [NetworkInterface])] {
    var order: [String] = []
    var found: [String: [NetworkInterface]] = [:]
    for rank in facts.ranks {
      if found[rank.host.host] == nil { order.append(rank.host.host) }
      for interface in rank.host.interfaces where rank.addressesInUse.contains(interface.address) {
        if found[rank.host.host]?.contains(interface) != true { found[rank.host.host, default: []].append(interface) }
      }
      if found[rank.host.host] == nil { found[rank.host.host] = [] }
    }
    return order.map { ($0, found[$0] ?? []) }
  }

  private var interfaces: Finding? {
    let used = used
    guard used.count > 1 else { return nil }
    func words(_ interface: NetworkInterface) -> String {
      """
      \(interface.name) \
      \(interface.address)\(interface.megabits.map { " (\(Words.decimal(Double($0) / 1000)) Gbit/s)" } ?? "")
      """
    }
    let silent = used.filter(\.interfaces.isEmpty)
    if silent.count == used.count {
      return Finding("interfaces", .ok, "messages between hosts do not go by TCP, but by another transport of Open MPI")
    }
    let names = Set(used.flatMap(\.interfaces).map(\.name))
    let text =
      used.prefix(8).map { "\($0.host) \($0.interfaces.map(words).joined(separator: " and "))" }.joined(separator: "; ")
      + (used.count > 8 ? "; and \(used.count - 8) more" : "")
    let several = used.filter { Set($0.interfaces.map(\.name)).count > 1 }.map(\.host)
    guard several.isEmpty else {
      return Finding(
        "interfaces", .warning, hosts: several, text,
        advice:
          """
          messages go by several interfaces, and wait for the slowest: name the fast network (--mca \
          btl_tcp_if_include NETWORK/BITS)
          """
      )
    }
    let virtual = names.filter { name in
      ["docker", "virbr", "br-", "cni", "flannel", "tun", "wg"].contains { name.hasPrefix($0) }
    }
    guard virtual.isEmpty else {
      return Finding(
        "interfaces", .warning,
        hosts: used.filter { !$0.interfaces.allSatisfy { !virtual.contains($0.name) } }.map(\.host), text,
        advice:
          """
          \(Words.list(virtual.sorted())) looks like the network of containers or a tunnel: name the fast one \
          (--mca btl_tcp_if_include NETWORK/BITS)
          """
      )
    }
    // The speed its driver tells, where it does.
    let slower = facts.links.filter { link in
      let speed = used.first { $0.host == host(link.first) }?.interfaces.compactMap(\.megabits).max()
      return speed.map { link.bytesPerSecond * 8 < 0.3 * Double($0) * 1e6 && $0 <= 25_000 } ?? false
    }
    guard let worst = slower.min(by: { $0.bytesPerSecond < $1.bytesPerSecond }) else {
      return Finding("interfaces", .ok, text)
    }
    return Finding(
      "interfaces", .warning, hosts: [host(worst.first), host(worst.second)],
      """
      \(text); between \(host(worst.first)) and \(host(worst.second)) less than a third of that was reached, \
      \(Words.rate(worst.bytesPerSecond))
      """,
      advice: "others may use the network now; else see deploy/network.md")
  }
}
