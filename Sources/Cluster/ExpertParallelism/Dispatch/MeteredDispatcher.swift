import Kernels
import MoEModel
import Telemetry
import Tensors

/// A cluster's dispatcher with an account of its phases, and of tokens by host.
package final class MeteredDispatcher: ExpertDispatcher {
  private let base: ClusterDispatcher
  private let telemetry: RankTelemetry

  package init(_ base: ClusterDispatcher, telemetry: RankTelemetry) { (self.base, self.telemetry) = (base, telemetry) }

  package var fetches: Bool { base.fetches }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) throws -> Flight {
    telemetry.recorder.enter(.pack, layer: layer)
    let flight = try base.dispatch(rows, count: count, decisions, layer: layer)
    if count > 0 { telemetry.reached(flight.plan.rowsToHost) }
    telemetry.recorder.enter(.shared, layer: layer)
    return flight
  }

  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {
    telemetry.recorder.enter(.merge, layer: flight.layer)
    try base.combine(flight, into: output, next: next)
  }

  package func complete(_ flight: Flight, _ output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {
    try base.complete(flight, output, next: next)
  }

  package func release(_ flight: Flight) { base.release(flight) }
}

/// One rank's experts with an account of their time and their visits.
package final class MeteredExperts: RoutedExperts {
  private let base: any RoutedExperts
  private let telemetry: RankTelemetry
  private let counts: Bool
  /// That of the last batch.
  private var layer = 0

  /// `counts`: whether visits are counted here.
  package init(_ base: any RoutedExperts, telemetry: RankTelemetry, counts: Bool = true) {
    (self.base, self.telemetry, self.counts) = (base, telemetry, counts)
  }

  package var rowFormat: RowFormat { base.rowFormat }
  package var exchangesSlices: Bool { base.exchangesSlices }

  /// Before it, messages were checked and sorted; after it, they are written.
  package func compute(_ batch: VisitBatch) {
    layer = batch.layer
    telemetry.recorder.enter(.experts, layer: batch.layer)
    base.compute(batch)
    if counts {
      telemetry.visited(
        layer: batch.layer, experts: UnsafeBufferPointer(start: batch.experts.elements, count: batch.experts.count),
        distinct: batch.distinctExpertCount)
    }
    telemetry.recorder.enter(.pack, layer: batch.layer)
  }

  /// After messages were written.
  package func finish() {
    telemetry.recorder.enter(.experts, layer: layer)
    base.finish()
  }
}
