import Telemetry

/// Goes through steps of a recorded run as another cluster would.
package struct StepReplay: Sendable {
  /// Means over steps, in seconds, but for `bytesBetweenHosts`.
  package struct Outcome: Sendable {
    package var seconds = 0.0
    /// Of the mean rank: own work; messages it waited for; ranks that were late.
    package var computing = 0.0
    package var communicating = 0.0
    package var waiting = 0.0
    package var experts = 0.0
    package var bytesBetweenHosts = 0.0
    /// What the rank with most to do had over the mean, in the layers and steps looked at.
    package var busiest = BusiestRank()
    package init() {}
  }

  package var compute: ComputeModel
  package var network: Network
  package var layout: Layout
  /// Bytes of a token's row and of a sum's between ranks.
  package var rowBytes: RowBytes
  /// How much longer than projected the fitted runs took: noise of the machine, and what nobody models.
  package var calibration = 1.0
  /// Ranks with the same number take turns on the same cores; nil where each has its own.
  package var coresOfRank: [Int]?

  package init(compute: ComputeModel, network: Network, layout: Layout, rowBytes: RowBytes) {
    (self.compute, self.network, self.layout, self.rowBytes) = (compute, network, layout, rowBytes)
  }

  /// Steps looked at, and layers of each: means hardly change with more.
  private static let stepLimit = 24
  private static let layerLimit = 8

  /// Steps of `batch` tokens in all, dealt to the ranks in turn, out of the record's rows of that kind. Nil when there
  /// are fewer.
  package func run(_ record: RoutingRecord, kind: StepKind, batch: Int) -> Outcome? {
    let rows = record.rows.indices.filter { record.rows[$0].kind == kind.rawValue }
    guard batch > 0, !rows.isEmpty else { return nil }
    let steps = max(1, min(Self.stepLimit, rows.count / batch))
    let layers = Swift.stride(from: 0, to: record.layers.count, by: max(1, record.layers.count / Self.layerLimit))
    var total = Outcome()
    let homes = (0..<batch).map { $0 % layout.rankCount }
    for step in 0..<steps {
      // Fewer rows than a batch are used again.
      let chosen = (0..<batch).map { rows[(step * batch + $0) % rows.count] }
      let one = self.step(
        layers.map { LayerTraffic(record, layer: $0, rows: chosen[...], homes: homes, layout: layout) }, batch: batch)
      total.seconds += one.seconds / Double(steps)
      total.computing += one.computing / Double(steps)
      total.communicating += one.communicating / Double(steps)
      total.waiting += one.waiting / Double(steps)
      total.experts += one.experts / Double(steps)
      total.bytesBetweenHosts += one.bytesBetweenHosts / Double(steps)
      total.busiest += one.busiest
    }
    return total
  }

  /// One step; `layers` stand for all mixture layers.
  private func step(_ layers: [LayerTraffic], batch: Int) -> Outcome {
    let size = layout.rankCount
    let rows = (0..<size).map { Double((batch + size - 1 - $0) / size) }
    var clock = Array(repeating: 0.0, count: size)
    var outcome = Outcome()
    let repeats = Double(compute.work.mixtureLayers) / Double(max(layers.count, 1))
    let cores = coresOfRank ?? Array(0..<size)
    for layer in layers {
      outcome.busiest += layer.busiest
      let before = outcome
      let began = clock.max() ?? 0
      run(layer, rows, &clock, &outcome)
      // The layers not looked at take what this one took.
      let took = (clock.max() ?? 0) - began
      for rank in clock.indices { clock[rank] += took * (repeats - 1) }
      outcome.computing = before.computing + (outcome.computing - before.computing) * repeats
      outcome.communicating = before.communicating + (outcome.communicating - before.communicating) * repeats
      outcome.waiting = before.waiting + (outcome.waiting - before.waiting) * repeats
      outcome.experts = before.experts + (outcome.experts - before.experts) * repeats
      outcome.bytesBetweenHosts =
        before.bytesBetweenHosts + (outcome.bytesBetweenHosts - before.bytesBetweenHosts) * repeats
    }
    let denseLayers = Double(compute.work.layers - compute.work.mixtureLayers)
    var busy = Array(repeating: 0.0, count: size)
    for rank in 0..<size where rows[rank] > 0 {
      let own =
        denseLayers * (compute.attention.seconds(rows[rank]) + compute.dense.seconds(rows[rank]))
        + compute.outside.seconds(rows[rank])
      outcome.computing += own / Double(size)
      busy[cores[rank]] += own
    }
    // A plan goes out and outcomes come back: one way each, and rank 0 reads one outcome after another.
    let link = layout.hostCount > 1 ? network.otherHosts : network.sameHost
    let steering = size > 1 ? 2 * link.seconds(1024) + link.perMessage * Double(size - 1) : 0
    outcome.communicating += steering
    outcome.seconds = ((clock.max() ?? 0) + (busy.max() ?? 0) + steering + compute.steering) * calibration
    return outcome
  }

  private func run(_ layer: LayerTraffic, _ rows: [Double], _ clock: inout [Double], _ outcome: inout Outcome) {
    let size = layout.rankCount
    let cores = coresOfRank ?? Array(0..<size)
    var free = Array(repeating: 0.0, count: size)
    /// Every rank's work of a stage. Who is ready first has the cores first: those of ranks that wait are another's.
    func spend(_ seconds: (Int) -> Double) {
      for rank in (0..<size).sorted(by: { clock[$0] < clock[$1] }) {
        let work = seconds(rank)
        outcome.computing += work / Double(size)
        guard work > 0 else { continue }
        clock[rank] = max(clock[rank], free[cores[rank]]) + work
        free[cores[rank]] = clock[rank]
      }
    }
    spend { rank in
      let sent = layer.dispatched[rank].reduce(0, +)
      return (rows[rank] > 0 ? compute.attention.seconds(rows[rank]) + compute.gate.seconds(rows[rank]) : 0)
        + compute.pack.fixed + compute.pack.perRow * Double(sent)
    }
    let dispatchBegan = clock
    spend { rows[$0] > 0 ? compute.shared.seconds(rows[$0]) : 0 }
    // Every rank that has tokens sends to all of its host and to a gateway on each other, be it a header only.
    receive(
      layer.dispatched, rowBytes: rowBytes.token, began: dispatchBegan, senders: { rows[$0] > 0 }, &clock, &outcome)
    spend { rank in
      let arrived = layer.dispatched.reduce(0) { $0 + $1[rank] }
      let work = compute.experts.seconds(memory: Double(layer.distinct[rank]), arithmetic: Double(layer.visits[rank]))
      outcome.experts += work / Double(size)
      return compute.unpack.seconds(Double(arrived)) + work + compute.pack.perRow
        * Double(layer.returned[rank].reduce(0, +))
    }
    let combineBegan = clock
    receive(layer.returned, rowBytes: rowBytes.sum, began: combineBegan, senders: nil, &clock, &outcome)
    spend { rows[$0] > 0 ? compute.merge.seconds(rows[$0]) : 0 }
  }

  /// Moves every rank's clock to when it has all messages. Those between hosts share the way out of theirs and into the
  /// other.
  private func receive(
    _ messages: [[Int]], rowBytes: Int, began: [Double], senders: ((Int) -> Bool)?, _ clock: inout [Double],
    _ outcome: inout Outcome
  ) {
    let hosts = layout.hostOfRank
    let hostCount = (hosts.max() ?? 0) + 1
    var (out, into) = (Array(repeating: 0, count: hostCount), Array(repeating: 0, count: hostCount))
    for from in messages.indices {
      for to in messages.indices where hosts[from] != hosts[to] {
        out[hosts[from]] += messages[from][to] * rowBytes
        into[hosts[to]] += messages[from][to] * rowBytes
      }
    }
    outcome.bytesBetweenHosts += Double(out.reduce(0, +))
    let previous = clock
    for to in messages.indices {
      var arrival = previous[to]
      var latest = previous[to]
      var order = 0
      for from in messages.indices where from != to {
        // Sums come back only where tokens went; tokens' messages tell also that there are none.
        guard senders.map({ $0(from) && layout.sends(from, to) }) ?? (messages[from][to] > 0) else { continue }
        order += 1
        let bytes = messages[from][to] * rowBytes
        let far = hosts[from] != hosts[to]
        let time =
          far
          ? network.otherHosts.seconds(bytes, messages: order, bytesAtOnce: max(out[hosts[from]], into[hosts[to]]))
          : network.sameHost.seconds(bytes, messages: order, bytesAtOnce: bytes)
        arrival = max(arrival, began[from] + time)
        latest = max(latest, began[from])
      }
      let late = max(0, latest - previous[to])
      outcome.waiting += late / Double(messages.count)
      outcome.communicating += max(0, arrival - previous[to] - late) / Double(messages.count)
      clock[to] = arrival
    }
  }
}
