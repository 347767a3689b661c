import Telemetry

/// Goes through steps of a recorded run as another cluster would.
package struct StepReplay: Sendable {
  package var compute: ComputeModel
  package var network: Network
  package var layout: Layout
  /// Bytes of a token's row and of a sum's between ranks.
  package var rowBytes: RowBytes
  /// How much longer than projected the fitted runs took: noise of the machine, and what nobody models.
  package var calibration = 1.0
  /// Whether ranks share out every matrix; else each sequence has a home.
  package var isSliced = false
  /// Whether routed experts are among what is shared out; else each is some rank's.
  package var dividesExperts = true
  /// Rows of each sequence in a step: its last token, and drafts after it.
  package var rowsPerSequence = 1
  /// The part of a step's sequences whose home each rank is; nil where they are dealt to the ranks in turn.
  package var homeShares: [Double]?
  /// Experts that a step's tokens visit in a layer, of all ranks together: of a run whose tokens chose fewer than those
  /// of the record, or more; nil for as many as the record's.
  package var distinctExperts: Double?
  /// Ranks with the same number take turns on the same cores; nil where each has its own.
  package var coresOfRank: [Int]?

  package init(compute: ComputeModel, network: Network, layout: Layout, rowBytes: RowBytes) {
    (self.compute, self.network, self.layout, self.rowBytes) = (compute, network, layout, rowBytes)
  }

  /// Steps looked at, and layers of each: means hardly change with more.
  private static let stepLimit = 24
  private static let layerLimit = 8

  /// Steps of `batch` tokens in all, dealt to the ranks in turn, out of the record's rows of that kind. Nil when there
  /// are none.
  package func run(_ record: RoutingRecord, kind: StepKind, batch: Int) -> Outcome? {
    let rows = record.rows.indices.filter { record.rows[$0].kind == kind.rawValue }
    guard batch > 0, !rows.isEmpty, !record.layers.isEmpty else { return nil }
    let steps = max(1, min(Self.stepLimit, rows.count / batch))
    let layers = Array(
      Swift.stride(from: 0, to: record.layers.count, by: max(1, record.layers.count / Self.layerLimit)))
    var total = Outcome()
    let homes = homes(batch)
    // Fewer rows than a batch are used again.
    func chosen(_ step: Int) -> [Int] { (0..<batch).map { rows[(step * batch + $0) % rows.count] } }
    var factor = 1.0
    if let distinctExperts {
      let all = (0..<steps).reduce(0) { sum, step in
        let chosen = chosen(step)
        return layers.reduce(sum) { $0 + record.distinctExperts(of: chosen, layer: $1) }
      }
      if all > 0 { factor = distinctExperts * Double(steps * layers.count) / Double(all) }
    }
    for step in 0..<steps {
      let chosen = chosen(step)
      let traffic = layers.map {
        var one = LayerTraffic(record, layer: $0, rows: chosen[...], homes: homes, layout: layout)
        one.distinctFactor = factor
        return one
      }
      var one = isSliced ? slicedStep(traffic, kind, rows: batch) : self.step(traffic, homes: homes)
      one.seconds += compute.steering
      if layout.rankCount > 1 { one.communicating += compute.steering }
      total += one.times(1 / Double(steps))
    }
    return total.slowed(by: calibration)
  }

  /// The home of each of so many rows. Where all ranks feed all sequences, visits are shared out as if they were the
  /// first one's.
  private func homes(_ batch: Int) -> [Int] {
    let (size, width) = (layout.rankCount, max(rowsPerSequence, 1))
    guard !isSliced else { return Array(repeating: 0, count: batch) }
    guard let homeShares, homeShares.count == size else { return (0..<batch).map { $0 / width % size } }
    // Each sequence is the rank's that lacks most of its part.
    var dealt = Array(repeating: 0.0, count: size)
    let homes = (0..<((batch + width - 1) / width)).map { sequence in
      var (home, most) = (0, -Double.infinity)
      for rank in 0..<size {
        let lacks = homeShares[rank] * Double(sequence + 1) - dealt[rank]
        if lacks > most + 1e-9 { (home, most) = (rank, lacks) }
      }
      dealt[home] += 1
      return home
    }
    return (0..<batch).map { homes[$0 / width] }
  }

  /// What plans and outcomes take: one way each, and rank 0 reads one outcome after another.
  var steering: Double {
    let link = layout.hostCount > 1 ? network.otherHosts : network.sameHost
    return layout.rankCount > 1 ? 2 * link.seconds(1024) + link.perMessage * Double(layout.rankCount - 1) : 0
  }

  /// What joins a prediction module to the model.
  func projection(_ share: Double, rows: Double) -> Double {
    let (input, attention) = (Double(compute.work.moduleInput), Double(max(compute.work.attention, 1)))
    return input / attention * compute.attention.seconds(memory: share, arithmetic: rows * share)
  }

  /// One step; `layers` stand for all MoE layers.
  private func step(_ layers: [LayerTraffic], homes: [Int]) -> Outcome {
    let size = layout.rankCount
    var rows = Array(repeating: 0.0, count: size)
    for home in homes { rows[home] += 1 }
    var clock = Array(repeating: 0.0, count: size)
    var outcome = Outcome()
    let repeats = Double(compute.work.moeLayers) / Double(max(layers.count, 1))
    let cores = coresOfRank ?? Array(0..<size)
    for layer in layers {
      var one = Outcome()
      let began = clock.max() ?? 0
      run(layer, rows, &clock, &one)
      // The layers not looked at take what this one took.
      let took = (clock.max() ?? 0) - began
      for rank in clock.indices { clock[rank] += took * (repeats - 1) }
      outcome += one.times(repeats)
      outcome.busiest += layer.busiest
    }
    let denseLayers = Double(compute.work.layers - compute.work.moeLayers)
    let heads = Double(compute.work.moduleHeads)
    var (busy, ends) = (Array(repeating: 0.0, count: size), clock)
    for rank in 0..<size where rows[rank] > 0 {
      let attention = denseLayers * compute.attention.seconds(rows[rank])
      let dense = denseLayers * compute.dense.seconds(rows[rank])
      let head = (1 + heads) * compute.outside.seconds(rows[rank]) + heads * projection(1, rows: rows[rank])
      outcome.attention += attention / Double(size)
      outcome.dense += dense / Double(size)
      outcome.head += head / Double(size)
      outcome.computing += (attention + dense + head) / Double(size)
      busy[cores[rank]] += attention + dense + head
      ends[rank] += attention + dense + head
    }
    let seconds = (clock.max() ?? 0) + (busy.max() ?? 0)
    // Who is done first waits for the next step.
    outcome.waiting += max(0, seconds - ends.reduce(0, +) / Double(size))
    outcome.communicating += steering
    outcome.seconds = seconds + steering
    return outcome
  }

  private func run(_ layer: LayerTraffic, _ rows: [Double], _ clock: inout [Double], _ outcome: inout Outcome) {
    let size = layout.rankCount
    let cores = coresOfRank ?? Array(0..<size)
    var free = Array(repeating: 0.0, count: size)
    /// Every rank's work of a stage. Who is ready first has the cores first: those of ranks that wait are another's.
    func spend(_ parts: [(WritableKeyPath<Outcome, Double>, (Int) -> Double)]) {
      for rank in (0..<size).sorted(by: { clock[$0] < clock[$1] }) {
        var work = 0.0
        for (part, seconds) in parts {
          let own = seconds(rank)
          outcome[keyPath: part] += own / Double(size)
          work += own
        }
        outcome.computing += work / Double(size)
        guard work > 0 else { continue }
        clock[rank] = max(clock[rank], free[cores[rank]]) + work
        free[cores[rank]] = clock[rank]
      }
    }
    spend([
      (\.attention, { rows[$0] > 0 ? compute.attention.seconds(rows[$0]) : 0 }),
      (\.gate, { rows[$0] > 0 ? compute.gate.seconds(rows[$0]) : 0 }),
      (\.copies, { compute.pack.seconds(Double(layer.dispatched[$0].reduce(0, +))) }),
    ])
    let dispatchBegan = clock
    spend([(\.shared, { rows[$0] > 0 ? compute.shared.seconds(rows[$0]) : 0 })])
    // Every rank that has tokens sends to all of its host and to a gateway on each other, be it a header only.
    receive(
      layer.dispatched, rowBytes: rowBytes.token, began: dispatchBegan, senders: { rows[$0] > 0 }, &clock, &outcome)
    spend([
      (
        \.copies,
        { rank in
          compute.unpack.seconds(Double(layer.dispatched.reduce(0) { $0 + $1[rank] }))
            + compute.pack.perRow * Double(layer.returned[rank].reduce(0, +))
        }
      ),
      (
        \.experts,
        { compute.experts.seconds(memory: layer.experts(of: $0), arithmetic: Double(layer.visits[$0])) }
      ),
    ])
    let combineBegan = clock
    receive(layer.returned, rowBytes: rowBytes.sum, began: combineBegan, senders: nil, &clock, &outcome)
    spend([(\.copies, { rows[$0] > 0 ? compute.merge.seconds(rows[$0]) : 0 })])
    outcome.neededBetweenHosts += Double(layer.hostVisits) * Double(rowBytes.token + rowBytes.sum)
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
