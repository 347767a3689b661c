import Kernels
import Telemetry
import Tensors

/// The dispatcher of ranks that have all tokens and some columns of every expert: nothing is dispatched, and of the
/// outputs each rank's columns are gathered.
package final class DividedDispatcher: ExpertDispatcher {
  private let base: LocalDispatcher
  private let compute: Compute
  private let outer: RowSlices
  private let hiddenSize: Int
  private let phases: PhaseRecorder
  private var layer = 0
  private var tokenCount = 0

  package init(compute: Compute, hiddenSize: Int, slices gatherer: SliceGatherer, phases: PhaseRecorder) {
    base = LocalDispatcher(compute: compute, hiddenSize: hiddenSize)
    outer = RowSlices(gatherer: gatherer, ranges: gatherer.slice.ranges(of: hiddenSize))
    (self.compute, self.hiddenSize, self.phases) = (compute, hiddenSize, phases)
  }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) -> LocalDispatcher.Flight {
    (self.layer, tokenCount) = (layer, count)
    phases.enter(.pack, layer: layer)
    let flight = base.dispatch(rows, count: count, decisions, layer: layer)
    phases.enter(.shared, layer: layer)
    return flight
  }

  package func combine(_ flight: LocalDispatcher.Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) {
    phases.enter(.merge, layer: layer)
    base.combine(flight, into: output, next: next)
  }

  package func complete(
    _ flight: LocalDispatcher.Flight, _ output: UnsafeMutablePointer<Float>, next: NextWeights?
  ) throws {
    outer.note(MatrixView(output, rows: tokenCount, columns: hiddenSize))
    try outer.gatherer.run(compute, fetching: next)
    phases.enter(.merge, layer: layer)
  }

  package func release(_ flight: LocalDispatcher.Flight) { base.release(flight) }
}
