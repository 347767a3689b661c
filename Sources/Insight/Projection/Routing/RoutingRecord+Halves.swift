import Telemetry

extension RoutingRecord {
  /// Made-up routing of four layers that is chosen with Zipf's exponent `skew` (`even`), in two halves of sixteen steps
  /// of `rows` tokens or so, alike by chance only: a placement that is planned from one can be replayed with the other.
  package static func halves(
    expertCount: Int, topK: Int, skew: Double, rows: Int
  ) -> (one: RoutingRecord, other: RoutingRecord) {
    // Enough that what a plan expects of an expert is not chance, and no more than some seconds.
    let count = min(max(16 * rows, 4096), 1 << 14)
    let all = even(expertCount: expertCount, topK: topK, groups: nil, layers: 4, rows: 2 * count, skew: skew)
    var halves = [RoutingRecord(layers: all.layers, expertCount: expertCount, topK: topK)]
    halves.append(halves[0])
    // Each token stands there as one of a prompt, and again as one of a continuation.
    for row in all.rows.indices where all.rows[row].kind == Int32(StepKind.decode.rawValue) {
      let choices = all.experts[(row * all.choicesPerRow)..<((row + 1) * all.choicesPerRow)]
      halves[Int(all.rows[row].sequence) < count ? 0 : 1].append([all.rows[row]], experts: Array(choices))
    }
    return (halves[0], halves[1])
  }
}
