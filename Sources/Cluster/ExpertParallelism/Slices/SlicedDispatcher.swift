import Fabric
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors

/// The dispatcher of ranks that all have the same tokens: nothing is dispatched. Each rank runs its own experts for all
/// tokens, and partial outputs go to every rank, which finishes the combine tree.
package final class SlicedDispatcher: ExpertDispatcher {
  /// One layer's visits, and which rank computes which partial outputs of them.
  package final class Flight: ExpertFlight {
    fileprivate let batch = VisitBatch()
    fileprivate let totals = PartialTable()
    /// By rank: partial outputs it makes.
    fileprivate var counts: [Int]
    fileprivate var isWaiting = false
    fileprivate var layer = 0

    fileprivate init(ranks: Int) { counts = Array(repeating: 0, count: ranks) }

    package func next() -> VisitBatch? {
      guard isWaiting else { return nil }
      isWaiting = false
      return batch.visits.count > 0 ? batch : nil
    }

    package func finish(_ batch: VisitBatch) {}
  }

  private let own: Int
  private let hiddenSize: Int
  @exclusivity(unchecked) private var placement: ModelPlacement
  private let compute: Compute
  private let gatherer: SliceGatherer
  private let phases: PhaseRecorder
  private let sharing: VisitSharing
  private let owners = GrowingList<Int32>()
  private let marks = GrowingList<UInt8>()
  @exclusivity(unchecked) private var idle: [Flight] = []
  /// By rank: its partial outputs, `[rows, hidden]`.
  private let returned: [RowStorage<Float>]
  @exclusivity(unchecked) private var places: [UnsafeMutablePointer<Float>?]

  /// `hiddenSize`: numbers of a token's row. `gatherer` also brings what was noted there before `combine`.
  package init(
    rank: Rank, placement: ModelPlacement, hiddenSize: Int, compute: Compute, slices gatherer: SliceGatherer,
    telemetry: RankTelemetry
  ) {
    (own, self.placement, self.hiddenSize) = (rank.index, placement, hiddenSize)
    (self.compute, self.gatherer, phases) = (compute, gatherer, telemetry.recorder)
    sharing = VisitSharing(rankCount: placement.rankCount)
    returned = (0..<placement.rankCount).map { _ in RowStorage(columns: hiddenSize) }
    places = Array(repeating: nil, count: placement.rankCount)
  }

  /// Goes on with another placement, of as many ranks; between steps, on all ranks.
  package func adopt(_ placement: ModelPlacement) { self.placement = placement }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) -> Flight {
    phases.enter(.pack, layer: layer)
    let flight = idle.popLast() ?? Flight(ranks: placement.rankCount)
    let (topK, visits) = (decisions.topK, count * decisions.topK)
    flight.batch.begin(layer: layer)
    (flight.isWaiting, flight.layer) = (true, layer)
    for rank in flight.counts.indices { flight.counts[rank] = 0 }
    owners.removeAll()
    marks.removeAll()
    let (owners, marks) = (owners.extend(by: visits), marks.extend(by: topK))
    // All ranks find the same, as if the tokens were the first one's.
    sharing.assign(decisions.experts.pointer, count: visits, from: 0, placement[layer], into: owners)
    var writer = flight.totals.begin(totals: count, parts: visits)
    for row in 0..<count {
      let first = row * topK
      let ids = decisions.experts.pointer + first
      PartialSubtrees.mark(ids, places: owners + first, count: topK, into: marks)
      var isHere = false
      for i in 0..<topK {
        let owner = owners[first + i]
        if marks[i] == 1 {
          writer.add(id: ids[i], rank: owner, index: Int32(flight.counts[Int(owner)]))
          flight.counts[Int(owner)] += 1
        }
        guard owner == Int32(own) else { continue }
        if !isHere { flight.batch.inputs.append(rows.form(of: row)) }
        isHere = true
        flight.batch.append(expert: ids[i], weight: decisions.weights.pointer[first + i], beginsSubtree: marks[i] == 1)
      }
      writer.endTotal()
    }
    flight.totals.end(writer)
    phases.enter(.shared, layer: layer)
    return flight
  }

  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {
    phases.enter(.merge, layer: flight.layer)
    let rowBytes = hiddenSize * 4
    for (rank, count) in flight.counts.enumerated() where count > 0 {
      guard rank != own else {
        for row in 0..<count {
          gatherer.exchange.add(
            SlicePiece(flight.batch.outputs.elements[row], runs: 1, byteCount: rowBytes, stride: rowBytes), from: rank)
        }
        continue
      }
      returned[rank].reserve(rows: count)
      let rows = returned[rank].view(rows: count)
      places[rank] = rows.start
      gatherer.exchange.add(SlicePiece(rows), from: rank)
    }
    try gatherer.run(compute, fetching: next)
    phases.enter(.merge, layer: flight.layer)
    let ownRows = UnsafeBufferPointer(start: flight.batch.outputs.elements, count: flight.batch.outputs.count)
    let (table, compute, width) = (flight.totals, compute, hiddenSize)
    places.withUnsafeBufferPointer { returned in
      let outputs = PartialOutputs(own: Rank(own), ownRows: ownRows, returned: returned, width: width)
      compute.pool.run { worker in
        for token in compute.share(of: table.count, worker: worker) {
          _ = outputs.total(of: table.parts(of: token), compute, into: output + token * width)
        }
      }
    }
  }

  package func release(_ flight: Flight) { idle.append(flight) }
}
