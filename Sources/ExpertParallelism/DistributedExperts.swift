import Fabric
import Kernels
import MoEModel
import Telemetry
import Tensors

/// The expert layer of a cluster: each token travels once to every rank that owns experts it chose, and comes back as
/// partial sums.
///
/// A rank that has no tokens in a step sends no dispatch, and every rank knows so from the step's plan; all take part
/// in every layer. Sums follow `CombineTree`, so that results do not depend on the placement.
package final class DistributedExperts: ExpertLayer {
  private static let dispatchTag = MessageTag(1)
  private static let combineTag = MessageTag(2)

  private let communicator: any Communicator
  /// All ranks but this one.
  private let peers: [Rank]
  private let placement: ExpertPlacement
  private let bank: any ExpertComputation
  private let compute: Compute
  private let hiddenSize: Int
  private let topK: Int
  /// The most rows one rank may return for a token.
  private let returnLimit: Int
  private let plan: DispatchPlan
  private let combiner: Combiner
  private let arrivals: Arrivals
  /// Tokens each rank has in the current step.
  private var rowsByRank: [Int]
  private let dispatches: Exchange
  private let sums: Exchange
  /// Ranks whose tokens, and whose sums, this layer waits for.
  private var sources: [Rank] = []
  private var owners: [Rank] = []
  /// By rank: the sums it returned, where they lie.
  private var returned: [UnsafeMutablePointer<Float>?]
  private let telemetry: RankTelemetry
  private let clocks: PeerClocks
  private var phases: PhaseRecorder { telemetry.recorder }

  package init(
    communicator: any Communicator, placement: ExpertPlacement, bank: any ExpertComputation, compute: Compute, hiddenSize: Int, topK: Int,
    telemetry: RankTelemetry, clocks: PeerClocks, channels: ExpertChannels? = nil
  ) {
    self.telemetry = telemetry
    self.clocks = clocks
    self.communicator = communicator
    peers = (0..<communicator.size).map { Rank($0) }.filter { $0 != communicator.rank }
    self.placement = placement
    self.bank = bank
    self.compute = compute
    self.hiddenSize = hiddenSize
    self.topK = topK
    returnLimit = min(topK, placement.nodeLimit)
    plan = DispatchPlan(placement: placement, hostOfRank: clocks.hostOfRank)
    combiner = Combiner(placement: placement, compute: compute, hiddenSize: hiddenSize)
    arrivals = Arrivals(placement: placement, compute: compute, hiddenSize: hiddenSize)
    let size = communicator.size
    rowsByRank = Array(repeating: 0, count: size)
    returned = Array(repeating: nil, count: size)
    dispatches = Exchange(communicator, tag: Self.dispatchTag, channels: channels?.dispatches)
    sums = Exchange(communicator, tag: Self.combineTag, channels: channels?.sums)
  }

  /// Tells how many tokens each rank feeds through the model in the coming step; the same on every rank.
  ///
  /// Throws `messageTooLarge`, on all ranks or none, when a rank's tokens could make a message that MPI cannot carry.
  package func beginStep(rowsByRank: [Int]) throws(ExpertParallelismError) {
    // Copied, so that neither side needs memory of its own when the other changes its array.
    for rank in rowsByRank.indices { self.rowsByRank[rank] = rowsByRank[rank] }
    guard communicator.size > 1 else { return }
    for rows in rowsByRank {
      let dispatched = DispatchMessage.byteCount(tokens: rows, visits: rows * topK, hiddenSize: hiddenSize)
      let returned = CombineMessage.byteCount(rows: rows * returnLimit, hiddenSize: hiddenSize)
      guard max(dispatched, returned) <= Int(Int32.max) else {
        throw .messageTooLarge(tokens: rows, bytes: max(dispatched, returned))
      }
    }
  }

  package func run(
    layer: Int, rows: Int, input: UnsafePointer<Float>, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws {
    phases.enter(.pack, layer: layer)
    for peer in peers where rowsByRank[peer.index] > 0 {
      let limit = DispatchMessage.byteCount(
        tokens: rowsByRank[peer.index], visits: rowsByRank[peer.index] * topK, hiddenSize: hiddenSize)
      try dispatches.expect(from: peer, limit: limit)
      sources.append(peer)
    }
    plan.build(decisions, rows: rows)
    if rows > 0 { try dispatch(input, layer: layer) }
    phases.enter(.shared, layer: layer)
    meanwhile()
    phases.enter(.dispatch, layer: layer)
    try communicator.poll()
    arrivals.begin()
    try receiveDispatches(layer: layer, input: input, rows: rows)
    phases.enter(.experts, layer: layer)
    let visitedBefore = bank.expertsVisited
    arrivals.compute(bank, layer: layer)
    phases.enter(.pack, layer: layer)
    for source in sources { try dispatches.release(from: source) }
    sources.removeAll(keepingCapacity: true)
    telemetry.visited(layer: layer, experts: arrivals.expertIDs, distinct: bank.expertsVisited - visitedBefore)
    try sendBack(layer: layer)
    phases.enter(.combine, layer: layer)
    try receiveSums(layer: layer)
    phases.enter(.merge, layer: layer)
    combiner.combine(
      plan: plan, rows: rows, own: communicator.rank, ownRows: arrivals.returns(toSource: 0), returned: returned, output: output)
    for owner in owners { try sums.release(from: owner) }
    owners.removeAll(keepingCapacity: true)
    guard dispatches.isSending || sums.isSending else { return }
    phases.enter(.combine, layer: layer)
    try dispatches.finishSends()
    try sums.finishSends()
    phases.enter(.merge, layer: layer)
  }

  /// Of a wait, the time until the message was sent is its sender's fault.
  private func blame(_ source: Rank, sent stamp: UInt64, began: UInt64, arrived: UInt64, _ phase: Phase, layer: Int) {
    let sent = clocks.local(stamp, of: source)
    guard sent > began else { return }
    phases.blame(source.index, nanoseconds: min(sent, arrived) &- began, phase, layer: layer)
  }

  /// Sends every other rank its tokens, and gets ready for what will come back.
  private func dispatch(_ input: UnsafePointer<Float>, layer: Int) throws {
    let hidden = hiddenSize
    for peer in peers {
      let destination = plan.destinations[peer.index]
      let bytes = DispatchMessage.byteCount(
        tokens: destination.tokens.count, visits: destination.experts.count, hiddenSize: hidden)
      let message = DispatchMessage(writing: destination, to: try dispatches.room(to: peer, byteCount: bytes))
      telemetry.traffic.byRank[peer.index].countDispatch(
        rows: destination.tokens.count, rowBytes: hidden * 4, messageBytes: bytes)
      if destination.tokens.count >= 8 {
        compute.pool.run { worker in
          for i in compute.share(of: destination.tokens.count, worker: worker) {
            (message.rows + i * hidden).update(from: input + Int(destination.tokens[i]) * hidden, count: hidden)
          }
        }
      } else {
        for (i, token) in destination.tokens.enumerated() {
          (message.rows + i * hidden).update(from: input + Int(token) * hidden, count: hidden)
        }
      }
      if !destination.returnedIDs.isEmpty {
        try sums.expect(
          from: peer, limit: CombineMessage.byteCount(rows: destination.returnedIDs.count, hiddenSize: hidden))
        owners.append(peer)
      }
      message.stamp = Timestamp.now()
      phases.sending(to: peer.index, rows: destination.tokens.count, layer: layer, isCombine: false, at: message.stamp)
      telemetry.traffic.byRank[peer.index].messages += 1
      try dispatches.send(to: peer, byteCount: bytes)
    }
    for (host, rows) in plan.rowsToHost.enumerated() { telemetry.traffic.rowsToHost[host] += rows }
  }

  /// Takes own tokens first, then every peer's as it comes; source 0 of `arrivals` is this rank.
  private func receiveDispatches(layer: Int, input: UnsafePointer<Float>, rows: Int) throws {
    arrivals.addOwn(plan.destinations[communicator.rank.index], input: input)
    for source in sources {
      let began = Timestamp.now()
      let bytes = try dispatches.receive(from: source)
      let arrived = Timestamp.now()
      phases.enter(.unpack, layer: layer)
      let message = try DispatchMessage(
        reading: bytes.baseAddress!, byteCount: bytes.count, from: source, to: communicator.rank, layer: layer,
        tokenLimit: rowsByRank[source.index], hiddenSize: hiddenSize, placement: placement)
      blame(source, sent: message.stamp, began: began, arrived: arrived, .dispatch, layer: layer)
      arrivals.add(message, from: source)
      phases.enter(.dispatch, layer: layer)
    }
  }

  /// Takes back the partial sums of own tokens.
  private func receiveSums(layer: Int) throws {
    for owner in owners {
      let began = Timestamp.now()
      let bytes = try sums.receive(from: owner)
      let arrived = Timestamp.now()
      let expected = CombineMessage.byteCount(rows: plan.destinations[owner.index].returnedIDs.count, hiddenSize: hiddenSize)
      guard bytes.count == expected else {
        throw ExpertParallelismError.malformedCombine(from: owner, layer: layer, bytes: bytes.count, expected: expected)
      }
      let message = CombineMessage(base: bytes.baseAddress!)
      returned[owner.index] = message.rows
      blame(owner, sent: message.stamp, began: began, arrived: arrived, .combine, layer: layer)
    }
  }

  /// Sends every source the partial sums of its tokens.
  private func sendBack(layer: Int) throws {
    let hidden = hiddenSize
    for (index, source) in arrivals.sources.enumerated() where source.rank != communicator.rank {
      let rows = arrivals.returns(toSource: index)
      guard !rows.isEmpty, let rank = source.rank else { continue }
      let count = CombineMessage.byteCount(rows: rows.count, hiddenSize: hidden)
      let message = CombineMessage(base: try sums.room(to: rank, byteCount: count))
      let target = message.rows
      compute.pool.run { worker in
        for i in compute.share(of: rows.count, worker: worker) {
          (target + i * hidden).update(from: rows[rows.startIndex + i], count: hidden)
        }
      }
      telemetry.traffic.byRank[rank.index].countCombine(
        tokens: source.tokenCount, rows: rows.count, rowBytes: hidden * 4, messageBytes: count)
      message.stamp = Timestamp.now()
      phases.sending(to: rank.index, rows: rows.count, layer: layer, isCombine: true, at: message.stamp)
      telemetry.traffic.byRank[rank.index].messages += 1
      try sums.send(to: rank, byteCount: count)
    }
  }
}
