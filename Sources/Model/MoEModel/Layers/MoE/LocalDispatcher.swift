import Kernels
import Tensors

/// The dispatcher of a rank that holds every expert: nothing travels.
package final class LocalDispatcher: ExpertDispatcher {
  /// All visits of one layer, a token's in one subtree.
  package final class Flight: ExpertFlight {
    fileprivate let batch = VisitBatch()
    fileprivate var isWaiting = false

    package func next() -> VisitBatch? {
      guard isWaiting else { return nil }
      isWaiting = false
      return batch
    }

    package func finish(_ batch: VisitBatch) {}
  }

  private let compute: Compute
  private let hiddenSize: Int
  private var idle: [Flight] = []

  /// `hiddenSize`: numbers of a row.
  package init(compute: Compute, hiddenSize: Int) { (self.compute, self.hiddenSize) = (compute, hiddenSize) }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) -> Flight {
    let flight = idle.popLast() ?? Flight()
    flight.batch.begin(layer: layer)
    flight.isWaiting = true
    for row in 0..<count {
      flight.batch.inputs.append(rows.form(of: row))
      for i in (row * decisions.topK)..<((row + 1) * decisions.topK) {
        flight.batch.append(
          expert: decisions.experts.pointer[i], weight: decisions.weights.pointer[i],
          beginsSubtree: i % decisions.topK == 0)
      }
    }
    return flight
  }

  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>) {
    let outputs = flight.batch.outputs
    compute.pool.run { worker in
      for row in compute.share(of: outputs.count, worker: worker) {
        (output + row * hiddenSize).update(from: outputs.elements[row], count: hiddenSize)
      }
    }
  }

  package func release(_ flight: Flight) { idle.append(flight) }
}
