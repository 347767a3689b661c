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
  private var outgoing: [AlignedBuffer<UInt8>]
  private var incoming: [AlignedBuffer<UInt8>]
  private var returning: [AlignedBuffer<UInt8>]
  private var returned: [AlignedBuffer<UInt8>]
  private var sends: [PendingRequest] = []
  private var dispatchReceives: [(source: Rank, request: PendingRequest)] = []
  private var combineReceives: [(source: Rank, request: PendingRequest)] = []
  private let telemetry: RankTelemetry
  private let clocks: PeerClocks
  private var phases: PhaseRecorder { telemetry.recorder }

  package init(
    communicator: any Communicator, placement: ExpertPlacement, bank: any ExpertComputation, compute: Compute, hiddenSize: Int, topK: Int,
    telemetry: RankTelemetry, clocks: PeerClocks
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
    outgoing = (0..<size).map { _ in AlignedBuffer(count: 64) }
    incoming = (0..<size).map { _ in AlignedBuffer(count: 64) }
    returning = (0..<size).map { _ in AlignedBuffer(count: 64) }
    returned = (0..<size).map { _ in AlignedBuffer(count: 64) }
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
    for (rank, rows) in rowsByRank.enumerated() where rank != communicator.rank.index {
      let bytes = DispatchMessage.byteCount(tokens: rows, visits: rows * topK, hiddenSize: hiddenSize)
      if incoming[rank].count < bytes { incoming[rank] = AlignedBuffer(count: bytes + bytes / 2) }
    }
  }

  package func run(
    layer: Int, rows: Int, input: UnsafePointer<Float>, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws {
    phases.enter(.pack, layer: layer)
    for peer in peers where rowsByRank[peer.index] > 0 {
      let buffer = incoming[peer.index]
      let limit = DispatchMessage.byteCount(
        tokens: rowsByRank[peer.index], visits: rowsByRank[peer.index] * topK, hiddenSize: hiddenSize)
      dispatchReceives.append(
        (peer, try communicator.startReceive(into: .init(start: buffer.pointer, count: limit), from: peer, tag: Self.dispatchTag)))
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
    telemetry.visited(layer: layer, experts: arrivals.expertIDs, distinct: bank.expertsVisited - visitedBefore)
    try sendBack(layer: layer)
    phases.enter(.combine, layer: layer)
    try receiveSums(layer: layer)
    phases.enter(.merge, layer: layer)
    combiner.combine(
      plan: plan, rows: rows, own: communicator.rank, ownRows: arrivals.returns(toSource: 0), returned: returned, output: output)
    guard !sends.isEmpty else { return }
    phases.enter(.combine, layer: layer)
    for send in sends { try communicator.wait(send) }
    sends.removeAll(keepingCapacity: true)
    phases.enter(.merge, layer: layer)
  }

  private func send(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws {
    sends.append(try communicator.startSend(bytes, to: peer, tag: tag))
    telemetry.traffic.byRank[peer.index].messages += 1
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
      if outgoing[peer.index].count < bytes { outgoing[peer.index] = AlignedBuffer(count: bytes + bytes / 2) }
      let message = DispatchMessage(writing: destination, to: outgoing[peer.index].pointer)
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
        let count = CombineMessage.byteCount(rows: destination.returnedIDs.count, hiddenSize: hidden)
        if returned[peer.index].count < count { returned[peer.index] = AlignedBuffer(count: count + count / 2) }
        let buffer = UnsafeMutableRawBufferPointer(start: returned[peer.index].pointer, count: count)
        combineReceives.append((peer, try communicator.startReceive(into: buffer, from: peer, tag: Self.combineTag)))
      }
      message.stamp = Timestamp.now()
      phases.sending(to: peer.index, rows: destination.tokens.count, layer: layer, isCombine: false, at: message.stamp)
      try send(.init(start: outgoing[peer.index].pointer, count: bytes), to: peer, tag: Self.dispatchTag)
    }
    for (host, rows) in plan.rowsToHost.enumerated() { telemetry.traffic.rowsToHost[host] += rows }
  }

  /// Takes own tokens first, then every peer's as it comes; source 0 of `arrivals` is this rank.
  private func receiveDispatches(layer: Int, input: UnsafePointer<Float>, rows: Int) throws {
    arrivals.addOwn(plan.destinations[communicator.rank.index], input: input)
    for (source, request) in dispatchReceives {
      let began = Timestamp.now()
      let bytes = try communicator.wait(request)
      let arrived = Timestamp.now()
      phases.enter(.unpack, layer: layer)
      let message = try DispatchMessage(
        reading: incoming[source.index].pointer, byteCount: bytes, from: source, to: communicator.rank, layer: layer,
        tokenLimit: rowsByRank[source.index], hiddenSize: hiddenSize, placement: placement)
      blame(source, sent: message.stamp, began: began, arrived: arrived, .dispatch, layer: layer)
      arrivals.add(message, from: source)
      phases.enter(.dispatch, layer: layer)
    }
    dispatchReceives.removeAll(keepingCapacity: true)
  }

  /// Takes back the partial sums of own tokens.
  private func receiveSums(layer: Int) throws {
    for (source, request) in combineReceives {
      let began = Timestamp.now()
      let bytes = try communicator.wait(request)
      let arrived = Timestamp.now()
      let expected = CombineMessage.byteCount(rows: plan.destinations[source.index].returnedIDs.count, hiddenSize: hiddenSize)
      guard bytes == expected else {
        throw ExpertParallelismError.malformedCombine(from: source, layer: layer, bytes: bytes, expected: expected)
      }
      let stamp = CombineMessage(base: returned[source.index].pointer).stamp
      blame(source, sent: stamp, began: began, arrived: arrived, .combine, layer: layer)
    }
    combineReceives.removeAll(keepingCapacity: true)
  }

  /// Sends every source the partial sums of its tokens.
  private func sendBack(layer: Int) throws {
    let hidden = hiddenSize
    for (index, source) in arrivals.sources.enumerated() where source.rank != communicator.rank {
      let rows = arrivals.returns(toSource: index)
      guard !rows.isEmpty, let rank = source.rank else { continue }
      let count = CombineMessage.byteCount(rows: rows.count, hiddenSize: hidden)
      if returning[rank.index].count < count { returning[rank.index] = AlignedBuffer(count: count + count / 2) }
      let message = CombineMessage(base: returning[rank.index].pointer)
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
      try send(.init(start: message.base, count: count), to: rank, tag: Self.combineTag)
    }
  }
}
