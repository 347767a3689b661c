import Kernels
import Machine
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

  /// Rows from which on workers share them: fewer are written before the last worker is awake.
  private static let sharedRows = 64
  private let compute: Compute
  private let hiddenSize: Int
  private var idle: [Flight] = []

  /// `hiddenSize`: numbers of a row.
  package init(compute: Compute, hiddenSize: Int) { (self.compute, self.hiddenSize) = (compute, hiddenSize) }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) -> Flight {
    let flight = idle.popLast() ?? Flight()
    flight.batch.begin(layer: layer)
    flight.isWaiting = true
    let (batch, topK) = (flight.batch, decisions.topK)
    let (inputs, subtrees) = (batch.inputs.extend(by: count), batch.subtrees.extend(by: count))
    let (visits, ids) = (batch.visits.extend(by: count * topK), batch.experts.extend(by: count * topK))
    let (experts, weights) = (decisions.experts.pointer, decisions.weights.pointer)
    func write(_ rowNumbers: Range<Int>) {
      for row in rowNumbers {
        inputs[row] = rows.form(of: row)
        subtrees[row] = VisitBatch.Subtree(first: row * topK, count: topK)
        for i in (row * topK)..<((row + 1) * topK) {
          visits[i] = ExpertVisit(row: Int32(row), expert: experts[i], weight: weights[i])
          ids[i] = experts[i]
        }
      }
    }
    if count < Self.sharedRows {
      write(0..<count)
    } else {
      compute.pool.run { write(compute.share(of: count, worker: $0)) }
    }
    return flight
  }

  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) {
    let outputs = flight.batch.outputs
    compute.pool.run { worker in
      for row in compute.share(of: outputs.count, worker: worker) {
        (output + row * hiddenSize).update(from: outputs.elements[row], count: hiddenSize)
      }
    }
  }

  package func release(_ flight: Flight) { idle.append(flight) }
}
