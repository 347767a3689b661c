import ExpertParallelism
import Fabric
import Kernels
import MoEModel
import Telemetry
import Tensors

/// Times dispatch and combine of one MoE layer without experts, beside MPI's own exchange of the same rows and a
/// copy of them in memory.
package struct DispatchBenchmark {
  package struct Case {
    package var tokens: Int
    package var wire: WireFormat
    package var routing: SyntheticRouting
    package var expertCount: Int
    package var topK: Int
    /// For `SyntheticRouting.recorded`.
    package var record: RoutingRecord?

    package init(
      tokens: Int, wire: WireFormat, routing: SyntheticRouting, expertCount: Int, topK: Int,
      record: RoutingRecord? = nil
    ) {
      (self.tokens, self.wire, self.routing, self.record) = (tokens, wire, routing, record)
      (self.expertCount, self.topK) = (expertCount, topK)
    }
  }

  package struct Result {
    package var benchmark: Case
    /// Greatest of all ranks: activations and sums it sends, both directions together.
    package var payloadBytes: Int
    /// Seconds of the slowest rank; the best of several rounds.
    package var seconds: Double
    package var allToAllVSeconds: Double
    package var allToAllSeconds: Double
    package var copySeconds: Double

    package var bytesPerSecond: Double { Double(payloadBytes) / seconds }
  }

  let communicator: any Communicator
  let compute: Compute
  let clocks: PeerClocks
  /// Shared memory between ranks of a host; without, all goes through MPI.
  let channels: ExpertChannels?

  package init(communicator: any Communicator, compute: Compute, clocks: PeerClocks, channels: ExpertChannels?) {
    (self.communicator, self.compute, self.clocks, self.channels) = (communicator, compute, clocks, channels)
  }

  private static let rounds = 12
  private static let roundSeconds = 0.03

  /// The same on every rank. Collective.
  package func measure(_ benchmark: Case) throws -> Result {
    let size = communicator.size
    let placement = ExpertPlacement(expertCount: benchmark.expertCount, rankCount: size)
    let telemetry = RankTelemetry(layerCount: 1, expertCount: benchmark.expertCount, rankCount: size)
    let cluster = ClusterDispatcher(
      communicator: communicator, placement: placement.everywhere, compute: compute, wire: benchmark.wire,
      topK: benchmark.topK,
      telemetry: telemetry, clocks: clocks, channels: channels)
    let dispatcher = MeteredDispatcher(cluster, telemetry: telemetry)
    let experts = MeteredExperts(EchoExperts(benchmark.wire, compute), telemetry: telemetry)
    let decisions = benchmark.decisions(placement: placement, seed: UInt64(communicator.rank.index + 1))
    let hidden = benchmark.wire.hiddenSize
    let input = AlignedBuffer<Float>(count: benchmark.tokens * hidden)
    for i in 0..<input.count { input.pointer[i] = Float(i % 17) }
    // Rounded beforehand, as they are in a model for the shared experts.
    let rounded = RowBuffer(benchmark.wire.tokens, columns: hidden, rows: benchmark.tokens)
    for i in 0..<benchmark.tokens { rounded.round(compute, row: i, input.pointer + i * hidden) }
    let rows = rounded.rows(of: input.pointer, stride: hidden)
    let output = AlignedBuffer<Float>(count: benchmark.tokens * hidden)
    try cluster.beginStep(rowsByRank: Array(repeating: benchmark.tokens, count: size))
    func step() throws {
      let flight = try dispatcher.dispatch(rows, count: benchmark.tokens, decisions, layer: 0)
      try experts.forward(flight)
      try dispatcher.combine(flight, into: output.pointer)
      dispatcher.release(flight)
    }
    telemetry.beginStep(.decode)
    try step()
    let sent = telemetry.traffic.byRank
    let baseline = try ExchangeBaseline(
      communicator: communicator, compute: compute, wire: benchmark.wire, tokens: benchmark.tokens,
      decisions: decisions, placement: placement)
    let payload = sent.reduce(0) { $0 + $1.payload }
    let seconds = try time([
      step, { try baseline.packExchangeAndAdd(input: rows, output: output) }, baseline.exchangeEqually, baseline.copy,
    ])
    return Result(
      benchmark: benchmark, payloadBytes: Int(try communicator.allReduceMax(Int64(payload))), seconds: seconds[0],
      allToAllVSeconds: seconds[1], allToAllSeconds: seconds[2], copySeconds: seconds[3])
  }

  /// Seconds of one call of each on the slowest rank, in turn, the best of several rounds. Collective, as are the
  /// bodies.
  private func time(_ bodies: [() throws -> Void]) throws -> [Double] {
    func seconds(_ count: Int, _ body: () throws -> Void) throws -> Double {
      try communicator.barrier()
      let start = Timestamp.now()
      for _ in 0..<count { try body() }
      let own = Int64(Timestamp.now() &- start)
      return Double(try communicator.allReduceMax(own)) / 1e9 / Double(count)
    }
    let counts = try bodies.map { body in
      _ = try seconds(3, body)
      return min(20_000, max(3, Int(Self.roundSeconds / max(try seconds(3, body), 1e-9))))
    }
    var best = bodies.map { _ in Double.infinity }
    for _ in 0..<Self.rounds {
      for (i, body) in bodies.enumerated() { best[i] = min(best[i], try seconds(counts[i], body)) }
    }
    return best
  }
}

extension DispatchBenchmark.Case {
  fileprivate func decisions(placement: ExpertPlacement, seed: UInt64) -> RouterDecisions {
    if let record, routing == .recorded { return SyntheticRouting.decisions(count: tokens, from: record, seed: seed) }
    return routing.decisions(count: tokens, topK: topK, placement: placement, seed: seed)
  }
}
