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

extension RunReport {
  /// How often each expert was visited in the run; nil where it has no experts.
  package var loads: ExpertLoads? {
    let expertCount = subject.expertCount
    var visits = Array(repeating: Array(repeating: 0.0, count: expertCount), count: subject.layerCount)
    for rank in account.ranks {
      for kind in rank.kinds {
        for (layer, pairs) in kind.experts.enumerated() where visits.indices.contains(layer) {
          for pair in pairs where pair.count == 2 && pair[0] < expertCount { visits[layer][pair[0]] += Double(pair[1]) }
        }
      }
    }
    let layers = visits.indices.filter { visits[$0].contains { $0 > 0 } }
    guard expertCount > 0, !layers.isEmpty else { return nil }
    let steps = account.ranks.first?.kinds.reduce(0) { $0 + $1.steps } ?? 0
    return ExpertLoads(layers: layers, visits: layers.map { visits[$0] }, steps: Double(steps))
  }
}
