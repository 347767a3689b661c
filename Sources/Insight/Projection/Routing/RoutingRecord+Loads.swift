import ExpertParallelism
import Reports
import Telemetry

extension RoutingRecord {
  /// How often each expert was visited, as if steps were of so many tokens.
  package func loads(tokensPerStep: Int) -> ExpertLoads {
    var visits = layers.map { _ in [Double](repeating: 0, count: expertCount) }
    for row in rows.indices {
      for layer in layers.indices {
        for expert in choices(row: row, layer: layer) { visits[layer][Int(expert)] += 1 }
      }
    }
    return ExpertLoads(layers: layers, visits: visits, steps: Double(rows.count) / Double(max(1, tokensPerStep)))
  }
}

extension RoutingRecord {
  /// How many experts some rows visit in one of `layers`, by its place there.
  func distinctExperts(of rows: [Int], layer: Int) -> Int {
    var isVisited = Array(repeating: false, count: expertCount)
    for row in rows {
      for expert in choices(row: row, layer: layer) { isVisited[Int(expert)] = true }
    }
    return isVisited.count { $0 }
  }
}

extension RunReport {
  /// How often the tokens of texts visited each expert in the run; nil where it has no experts.
  package var loads: ExpertLoads? {
    let expertCount = subject.expertCount
    let visits = (0..<subject.layerCount).map { account.visits(layer: $0, expertCount: expertCount).map(Double.init) }
    let layers = visits.indices.filter { visits[$0].contains { $0 > 0 } }
    guard expertCount > 0, !layers.isEmpty else { return nil }
    let steps = account.ranks.first?.kinds.reduce(0) { $0 + $1.steps } ?? 0
    return ExpertLoads(layers: layers, visits: layers.map { visits[$0] }, steps: Double(steps))
  }
}
