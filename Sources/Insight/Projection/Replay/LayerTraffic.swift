import ExpertParallelism
import Fabric
import Telemetry

/// What one layer of one step asks of every rank, found by routing its tokens on paper.
struct LayerTraffic {
  /// `[from][to]`: tokens that travel, and sums that come back the other way.
  var dispatched: [[Int]]
  var returned: [[Int]]
  /// By rank.
  var distinct: [Int]
  var visits: [Int]

  /// `rows` are rows of the record, `homes` the rank of each.
  init(_ record: RoutingRecord, layer: Int, rows: ArraySlice<Int>, homes: [Int], layout: Layout) {
    let (size, placement) = (layout.rankCount, layout.placement)
    dispatched = Array(repeating: Array(repeating: 0, count: size), count: size)
    returned = dispatched
    visits = Array(repeating: 0, count: size)
    distinct = visits
    var seen = Array(repeating: false, count: record.expertCount)
    // By rank: the last token that went there.
    var lastToken = Array(repeating: -1, count: size)
    for (token, (home, row)) in zip(homes, rows).enumerated() {
      var last: Int32?
      for expert in record.choices(row: row, layer: layer) {
        let owner = placement.owner(of: expert)
        visits[owner.index] += 1
        if !seen[Int(expert)] {
          seen[Int(expert)] = true
          distinct[owner.index] += 1
        }
        defer { last = expert }
        guard owner.index != home else { continue }
        let gateway = layout.gateways.gateway(of: Rank(home), towards: owner).index
        if lastToken[gateway] != token {
          lastToken[gateway] = token
          dispatched[home][gateway] += 1
        }
        let isNew = last.map { !placement.sharesNode($0, expert) } ?? true
        guard !layout.gateways.share(Rank(home), owner) else {
          if isNew { returned[owner.index][home] += 1 }
          continue
        }
        // To its host's gateway, and from there.
        if isNew, owner.index != gateway { returned[owner.index][gateway] += 1 }
        if last.map({ !layout.placementByHost.sharesNode($0, expert) }) ?? true { returned[gateway][home] += 1 }
      }
    }
  }
}
