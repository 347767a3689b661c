import Telemetry

/// Recorded routing under some placement, without a model of time: who is busiest, and what travels.
package struct PlacementReplay: Sendable {
  /// What the rank with most to do had over the mean, in all layers and steps.
  package private(set) var busiest = BusiestRank()
  /// Tokens sent to other ranks or hosts, and rows that came back from them, for each token and layer.
  package private(set) var rowsOut = 0.0
  package private(set) var rowsBack = 0.0
  package private(set) var steps = 0

  /// Steps looked at: means hardly change with more.
  private static let stepLimit = 64

  /// Steps of `batch` tokens in all, dealt to the ranks in turn, out of the record's rows (of one kind, where it is
  /// given). A record with fewer rows is one step.
  package init(_ record: RoutingRecord, kind: StepKind? = nil, batch: Int, layout: Layout) {
    let rows = record.rows.indices.filter { kind == nil || record.rows[$0].kind == kind?.rawValue.int32 }
    guard batch > 0, !rows.isEmpty, !record.layers.isEmpty else { return }
    let batch = min(batch, rows.count)
    steps = min(Self.stepLimit, rows.count / batch)
    let homes = (0..<batch).map { $0 % layout.rankCount }
    let weight = 1 / Double(steps * batch * record.layers.count)
    for step in 0..<steps {
      for layer in record.layers.indices {
        let traffic = LayerTraffic(
          record, layer: layer, rows: rows[(step * batch)..<((step + 1) * batch)], homes: homes, layout: layout)
        busiest += traffic.busiest
        rowsOut += Double(traffic.dispatched.joined().reduce(0, +)) * weight
        rowsBack += Double(traffic.returned.joined().reduce(0, +)) * weight
      }
    }
  }
}

extension Int {
  fileprivate var int32: Int32 { Int32(truncatingIfNeeded: self) }
}
