import Kernels
import MoEModel
import Telemetry

/// The dispatcher of the only rank, with the account of phases and tokens that `MeteredDispatcher` keeps of others.
package final class MeteredLocalDispatcher: ExpertDispatcher {
  private let base: LocalDispatcher
  private let telemetry: RankTelemetry
  /// Of the flight that was dispatched last.
  private var layer = 0

  package init(_ base: LocalDispatcher, telemetry: RankTelemetry) { (self.base, self.telemetry) = (base, telemetry) }

  package func dispatch(
    _ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int
  ) -> LocalDispatcher.Flight {
    self.layer = layer
    telemetry.recorder.enter(.pack, layer: layer)
    let flight = base.dispatch(rows, count: count, decisions, layer: layer)
    if count > 0 { telemetry.reached { _ in count } }
    telemetry.recorder.enter(.shared, layer: layer)
    return flight
  }

  package func combine(_ flight: LocalDispatcher.Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) {
    telemetry.recorder.enter(.merge, layer: layer)
    base.combine(flight, into: output, next: next)
  }

  package func release(_ flight: LocalDispatcher.Flight) { base.release(flight) }
}
