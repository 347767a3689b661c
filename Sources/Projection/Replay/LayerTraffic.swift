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
    for (home, row) in zip(homes, rows) {
      var last: (expert: Int32, rank: Int)?
      // Ascending experts meet each rank once in a contiguous placement.
      for expert in record.choices(row: row, layer: layer) {
        let owner = placement.owner(of: expert).index
        visits[owner] += 1
        if !seen[Int(expert)] {
          seen[Int(expert)] = true
          distinct[owner] += 1
        }
        if owner != home {
          if last?.rank != owner { dispatched[home][owner] += 1 }
          if last.map({ $0.rank != owner || !placement.sharesNode($0.expert, expert) }) ?? true { returned[owner][home] += 1 }
        }
        last = (expert, owner)
      }
    }
  }
}
