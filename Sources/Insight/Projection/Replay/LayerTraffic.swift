import ExpertParallelism
import Fabric
import Telemetry

/// What one layer of one step asks of every rank, found by routing its tokens on paper.
struct LayerTraffic {
  /// `[from][to]`: tokens that travel, and sums that come back the other way.
  var dispatched: [[Int]]
  var returned: [[Int]]
  /// By rank.
  private(set) var distinct: [Int]
  var visits: [Int]
  /// Tokens of other hosts' homes that each host must see, once however many of its ranks they visit.
  private(set) var hostVisits = 0
  /// Distinct experts of all ranks together.
  private(set) var distinctInAll = 0
  /// How many experts one of these stands for: 1 but where a run's tokens chose fewer than the record's, or more.
  var distinctFactor = 1.0
  /// Partial outputs that each rank makes of its tokens' visits: a row for each of its subtrees.
  private(set) var partials: [Int]

  /// `rows` are rows of the record, `homes` the rank of each; `layer` is a place among the record's layers.
  init(_ record: RoutingRecord, layer: Int, rows: ArraySlice<Int>, homes: [Int], layout: Layout) {
    let (size, placement) = (layout.rankCount, layout.placement[record.layers[layer]])
    dispatched = Array(repeating: Array(repeating: 0, count: size), count: size)
    returned = dispatched
    visits = Array(repeating: 0, count: size)
    (distinct, partials) = (visits, visits)
    var isVisited = Array(repeating: false, count: record.expertCount)
    // By rank and expert.
    var seen = Array(repeating: false, count: size * record.expertCount)
    let sharing = VisitSharing(rankCount: size)
    for (home, tokens) in Dictionary(grouping: zip(homes, rows), by: \.0) {
      let experts = tokens.flatMap { record.choices(row: $0.1, layer: layer) }
      var owners = [Int32](repeating: 0, count: experts.count)
      sharing.assign(experts, count: experts.count, from: home, placement, into: &owners)
      for (expert, owner) in zip(experts, owners) {
        visits[Int(owner)] += 1
        if !isVisited[Int(expert)] { distinctInAll += 1 }
        isVisited[Int(expert)] = true
        let place = Int(owner) * record.expertCount + Int(expert)
        if !seen[place] { distinct[Int(owner)] += 1 }
        seen[place] = true
      }
      for first in stride(from: 0, to: experts.count, by: record.topK) {
        let token = first..<(first + record.topK)
        send(Array(experts[token]), to: Array(owners[token]), from: home, layout)
      }
    }
  }

  /// Experts that a rank reads, and that the tokens visit on all ranks together; not more than there are visits.
  func experts(of rank: Int) -> Double { min(Double(distinct[rank]) * distinctFactor, Double(visits[rank])) }
  var expertsOfAll: Double { min(Double(distinctInAll) * distinctFactor, Double(visits.reduce(0, +))) }

  /// What the rank with most to do has over the mean.
  var busiest: BusiestRank {
    var busiest = BusiestRank()
    let ranks = Double(max(visits.count, 1))
    (busiest.maxVisits, busiest.meanVisits) = (Double(visits.max() ?? 0), Double(visits.reduce(0, +)) / ranks)
    (busiest.maxExperts, busiest.meanExperts) = (Double(distinct.max() ?? 0), Double(distinct.reduce(0, +)) / ranks)
    return busiest
  }

  /// One token's rows: to each rank or other host that it visits, and back.
  private mutating func send(_ experts: [Int32], to owners: [Int32], from home: Int, _ layout: Layout) {
    let gateways = layout.gateways
    let receivers = owners.map { Int32(gateways.gateway(of: Rank(home), towards: Rank(Int($0))).index) }
    for receiver in Set(receivers) where Int(receiver) != home { dispatched[home][Int(receiver)] += 1 }
    var (subtrees, rows) = ([UInt8](repeating: 0, count: experts.count), [UInt8](repeating: 0, count: experts.count))
    PartialSubtrees.mark(experts, places: owners, count: experts.count, into: &subtrees)
    PartialSubtrees.mark(experts, places: receivers, count: experts.count, into: &rows)
    let hosts = layout.hostOfRank
    hostVisits += Set(owners.map { hosts[Int($0)] }).subtracting([hosts[home]]).count
    for visit in experts.indices {
      if subtrees[visit] == 1 { partials[Int(owners[visit])] += 1 }
      let (owner, receiver) = (Int(owners[visit]), Int(receivers[visit]))
      guard owner != home else { continue }
      // To its host's gateway, and from there.
      if owner != receiver, subtrees[visit] == 1 { returned[owner][receiver] += 1 }
      if rows[visit] == 1 { returned[receiver][home] += 1 }
    }
  }
}
