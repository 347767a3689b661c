/// All that one rank counts while it runs: time, bytes, and visits of experts.
package final class RankTelemetry {
  package let recorder: PhaseRecorder
  // One thread counts, several times in each layer.
  /// Of the step under way.
  @exclusivity(unchecked) package private(set) var traffic: TrafficTable
  /// Visits and distinct experts of each layer in the step under way.
  @exclusivity(unchecked) package private(set) var stepVisits: [Int32]
  @exclusivity(unchecked) package private(set) var stepDistinct: [Int32]
  /// By `StepKind`.
  package private(set) var trafficTotals: [TrafficTable]
  @exclusivity(unchecked) package private(set) var loads: [ExpertLoad]
  /// Outside of steps that generate.
  package var reduction = ReductionTraffic()
  @exclusivity(unchecked) private var kind = StepKind.decode

  /// Of a model with `layerCount` layers of `expertCount` experts, on one of `rankCount` ranks.
  package init(layerCount: Int, expertCount: Int, rankCount: Int) {
    recorder = PhaseRecorder(layerCount: layerCount, rankCount: rankCount)
    traffic = TrafficTable(rankCount: rankCount)
    trafficTotals = StepKind.allCases.map { _ in TrafficTable(rankCount: rankCount) }
    loads = StepKind.allCases.map { _ in ExpertLoad(layerCount: layerCount, expertCount: expertCount) }
    stepVisits = Array(repeating: 0, count: layerCount)
    stepDistinct = stepVisits
  }

  /// Forgets what an unfinished step counted.
  package func beginStep(_ kind: StepKind) {
    self.kind = kind
    for i in traffic.byRank.indices { (traffic.byRank[i], traffic.rowsToHost[i]) = (Traffic(), 0) }
    for i in stepVisits.indices { (stepVisits[i], stepDistinct[i]) = (0, 0) }
  }

  /// Counts a message of tokens to another rank.
  package func dispatched(to peer: Int, rows: Int, rowBytes: Int, messageBytes: Int) {
    traffic.byRank[peer].countDispatch(rows: rows, rowBytes: rowBytes, messageBytes: messageBytes)
  }

  /// Counts a message of outputs of `tokens` to another rank.
  package func returned(to peer: Int, tokens: Int, rows: Int, rowBytes: Int, messageBytes: Int) {
    traffic.byRank[peer].countCombine(tokens: tokens, rows: rows, rowBytes: rowBytes, messageBytes: messageBytes)
  }

  /// Counts a message of pieces of rows, which all ranks get.
  package func gathered(to peer: Int, payloadBytes: Int, messageBytes: Int) {
    traffic.byRank[peer].countGather(payloadBytes: payloadBytes, messageBytes: messageBytes)
  }

  /// Counts tokens that had to reach each host: `rows(host)` for each host by its lowest rank.
  package func reached(_ rows: (_ host: Int) -> Int) {
    for host in traffic.rowsToHost.indices { traffic.rowsToHost[host] += rows(host) }
  }

  /// Counts the visits that this rank's experts got in one layer.
  package func visited(layer: Int, experts: UnsafeBufferPointer<Int32>, distinct: Int) {
    guard stepVisits.indices.contains(layer) else { return }
    stepVisits[layer] += Int32(experts.count)
    stepDistinct[layer] += Int32(distinct)
    guard recorder.isEnabled else { return }
    loads[kind.rawValue].count(layer: layer, experts: experts, distinct: distinct)
  }

  /// Counts what some of this rank's drafts chose in one layer of the step under way that turned out to be wrong.
  package func rejected(layer: Int, experts: some Sequence<Int32>) {
    guard recorder.isEnabled else { return }
    loads[kind.rawValue].countRejected(layer: layer, experts: experts)
  }

  /// Adds the step's traffic to its kind's.
  package func endTraffic() {
    for i in traffic.byRank.indices {
      trafficTotals[kind.rawValue].byRank[i] += traffic.byRank[i]
      trafficTotals[kind.rawValue].rowsToHost[i] += traffic.rowsToHost[i]
    }
  }

  /// Forgets all sums.
  package func reset() {
    recorder.reset()
    reduction = ReductionTraffic()
    for kind in trafficTotals.indices {
      trafficTotals[kind] = TrafficTable(rankCount: recorder.rankCount)
      loads[kind].clear()
    }
  }
}
