import Reports
import Telemetry

extension RunReport {
  /// Rows of a step whose home each rank is, where ranks do not share out every matrix: as homes counted where their
  /// tokens went, and as many on each where nobody did.
  func homeRows(_ kind: StepKind) -> [Double] {
    let ranks = account.ranks.map { $0.kinds[kind.rawValue] }
    let all = Double(rows(kind)) / Double(max(ranks.first?.steps ?? 0, 1))
    // A token counts once for each host that it goes to: about as many of one home's as of another's.
    let counted = ranks.map { $0.rowsToHost.reduce(0) { $0 + Double($1) } }
    let sum = counted.reduce(0, +)
    return counted.map { sum > 0 ? all * $0 / sum : all / Double(max(ranks.count, 1)) }
  }

  /// Experts that a step's tokens visit in a layer, those of all ranks together; nil where nobody counted.
  func distinctExperts(_ kind: StepKind) -> Double? {
    let ranks = account.ranks.map { $0.kinds[kind.rawValue] }
    let layers = (0..<subject.layerCount).filter { layer in
      ranks.contains { $0.distinctExperts.indices.contains(layer) && $0.distinctExperts[layer] > 0 }
    }
    guard let steps = ranks.first?.steps, steps > 0, !layers.isEmpty else { return nil }
    let visited = ranks.reduce(0.0) { sum, rank in layers.reduce(sum) { $0 + Double(rank.distinctExperts[$1]) } }
    return visited / (Double(steps) * Double(layers.count))
  }
}
