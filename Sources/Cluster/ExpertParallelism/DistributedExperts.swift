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
  /// Own visits of an expert, on average, from which arithmetic takes longer than reading its weights.
  private static let separateVisits = 16

  private let communicator: any Communicator
  /// Where messages go to: all other ranks, or those of this host and a gateway on each other.
  private var peers: [Rank] { isRelaying ? relayedPeers : otherRanks }
  private let otherRanks: [Rank]
  private let relayedPeers: [Rank]
  private let placement: ExpertPlacement
  private let compute: Compute
  private let wire: WireFormat
  private let topK: Int
  /// The most rows one rank may return for a token.
  private let returnLimit: Int
  private var plan: DispatchPlan { isRelaying ? relayedPlan : directPlan }
  private let directPlan: DispatchPlan
  private let relayedPlan: DispatchPlan
  /// Where several ranks share a host of several.
  private let relay: HostRelay?
  private var isRelaying = false
  private let arrivals: Arrivals
  /// Own tokens, in layers that compute them apart.
  private let ownVisits: Arrivals
  private var isSplit = false
  /// Tokens each rank has in the current step.
  private var rowsByRank: [Int]
  private let dispatches: Exchange
  private let sums: Exchange
  /// Ranks whose tokens, and whose sums, this layer waits for.
  private var sources: [Rank] = []
  private var owners: [Rank] = []
  /// By rank: the sums it returned, where they lie.
  private var returned: [UnsafeMutablePointer<Float>?]
  /// By rank: its sums expanded, where they travel rounded.
  private var expanded: [AlignedBuffer<Float>]
  /// Moves messages on while experts compute.
  private let attend: () -> Void
  private let telemetry: RankTelemetry
  private let clocks: PeerClocks
  private var phases: PhaseRecorder { telemetry.recorder }

  package init(
    communicator: any Communicator, placement: ExpertPlacement, bank: any ExpertComputation, compute: Compute,
    wire: WireFormat, topK: Int,
    telemetry: RankTelemetry, clocks: PeerClocks, channels: ExpertChannels? = nil
  ) {
    self.telemetry = telemetry
    self.clocks = clocks
    self.communicator = communicator
    let own = communicator.rank
    otherRanks = (0..<communicator.size).map { Rank($0) }.filter { $0 != own }
    self.placement = placement
    self.compute = compute
    self.wire = wire
    self.topK = topK
    let gateways = Gateways(hostOfRank: clocks.hostOfRank)
    relay = channels?.relay.map {
      HostRelay(
        communicator, gateways: gateways, memory: $0, placement: placement, compute: compute, wire: wire,
        tag: Self.dispatchTag,
        telemetry: telemetry)
    }
    relayedPeers = Set(otherRanks.map { gateways.gateway(of: own, towards: $0) }).sorted()
    returnLimit = min(topK, max(placement.nodeLimit, relay?.byHost.nodeLimit ?? 0))
    directPlan = DispatchPlan(placement: placement, hostOfRank: clocks.hostOfRank)
    relayedPlan = DispatchPlan(placement: relay?.seen ?? placement, hostOfRank: clocks.hostOfRank)
    arrivals = Arrivals(own: communicator.rank, placement: placement, bank: bank, compute: compute)
    ownVisits = Arrivals(own: communicator.rank, placement: placement, bank: bank.twin(), compute: compute)
    attend = Self.polling(communicator, relay)
    let size = communicator.size
    rowsByRank = Array(repeating: 0, count: size)
    returned = Array(repeating: nil, count: size)
    expanded = Array(repeating: AlignedBuffer(count: 1), count: size)
    dispatches = Exchange(communicator, tag: Self.dispatchTag, channels: channels?.dispatches)
    sums = Exchange(communicator, tag: Self.combineTag, channels: channels?.sums)
  }

  /// A failure shows when the messages are waited for.
  private static func polling(_ communicator: any Communicator, _ relay: HostRelay?) -> () -> Void {
    func poll() {
      do { try communicator.poll() } catch {}
      relay?.advance()
    }
    return poll
  }

  /// Tells how many tokens each rank feeds through the model in the coming step; the same on every rank.
  ///
  /// Throws `messageTooLarge`, on all ranks or none, when a rank's tokens could make a message that MPI cannot carry.
  package func beginStep(rowsByRank: [Int]) throws(ExpertParallelismError) {
    // Copied, so that neither side needs memory of its own when the other changes its array.
    for rank in rowsByRank.indices { self.rowsByRank[rank] = rowsByRank[rank] }
    guard communicator.size > 1 else { return }
    for rows in rowsByRank {
      let dispatched = wire.dispatchByteCount(tokens: rows, visits: rows * topK)
      let returned = wire.combineByteCount(rows: rows * returnLimit)
      guard max(dispatched, returned) <= Int(Int32.max) else {
        throw .messageTooLarge(tokens: rows, bytes: max(dispatched, returned))
      }
    }
    isRelaying = relay?.hasRoom(rowsByRank: rowsByRank, topK: topK) ?? false
  }

  package func run(
    layer: Int, rows: Int, input: Rows, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws {
    phases.enter(.pack, layer: layer)
    try expectDispatches()
    plan.build(decisions, rows: rows)
    if rows > 0 { try dispatch(input, layer: layer) }
    phases.enter(.shared, layer: layer)
    let travels = dispatches.isSending || sources.contains { !dispatches.isShared($0) }
    if travels { compute.pool.attend = attend }
    defer { compute.pool.attend = nil }
    meanwhile()
    arrivals.begin()
    var own = beginOwn(input: input, travels: travels)
    phases.enter(.dispatch, layer: layer)
    try communicator.poll()
    if let visits = own, !(try haveDispatchesArrived()) {
      compute(visits, layer: layer)
      own = nil
      phases.enter(.dispatch, layer: layer)
    }
    try receiveDispatches(layer: layer)
    compute(arrivals, layer: layer)
    phases.enter(.pack, layer: layer)
    for source in sources {
      if let relay = relay(of: source) { try relay.release(from: source) } else { try dispatches.release(from: source) }
    }
    sources.removeAll(keepingCapacity: true)
    try sendBack(layer: layer)
    if let own { compute(own, layer: layer) }
    compute.pool.attend = nil
    phases.enter(.combine, layer: layer)
    try receiveSums(layer: layer)
    phases.enter(.merge, layer: layer)
    if rows > 0 { merge(into: output) }
    for owner in owners { try sums.release(from: owner) }
    owners.removeAll(keepingCapacity: true)
    guard dispatches.isSending || sums.isSending || (relay?.partials.isSending ?? false) else { return }
    phases.enter(.combine, layer: layer)
    try dispatches.finishSends()
    try sums.finishSends()
    try relay?.partials.finishSends()
    phases.enter(.merge, layer: layer)
  }

  /// The relay that brings `source`'s tokens; nil where it sends them itself.
  private func relay(of source: Rank) -> HostRelay? {
    guard isRelaying, let relay, relay.relays(source) else { return nil }
    return relay
  }

  /// Gets ready for what will come. Those this rank is the gateway of come before others' that are relayed: other ranks wait for them.
  private func expectDispatches() throws {
    for source in otherRanks where rowsByRank[source.index] > 0 {
      if let relay = relay(of: source) {
        try relay.expect(from: source)
      } else {
        try dispatches.expect(
          from: source,
          limit: wire.dispatchByteCount(tokens: rowsByRank[source.index], visits: rowsByRank[source.index] * topK))
        sources.append(source)
      }
    }
    guard isRelaying, let relay else { return }
    for isServed in [true, false] {
      for source in otherRanks
      where rowsByRank[source.index] > 0 && relay.relays(source) && relay.isGateway(source) == isServed {
        sources.append(source)
      }
    }
  }

  private func haveDispatchesArrived() throws -> Bool {
    relay?.advance()
    for source in sources {
      guard try relay(of: source)?.hasArrived(from: source) ?? dispatches.hasArrived(from: source) else { return false }
    }
    return true
  }

  /// Of a wait, the time until the message was sent is its sender's fault.
  private func blame(_ source: Rank, sent stamp: UInt64, began: UInt64, arrived: UInt64, _ phase: Phase, layer: Int) {
    let sent = clocks.local(stamp, of: source)
    guard sent > began else { return }
    phases.blame(source.index, nanoseconds: min(sent, arrived) &- began, phase, layer: layer)
  }

  /// Sends every other rank its tokens, and gets ready for what will come back.
  private func dispatch(_ input: Rows, layer: Int) throws {
    let width = wire.tokenByteCount
    for peer in peers {
      let destination = plan.destination(peer.index)
      let bytes = wire.dispatchByteCount(tokens: destination.tokens.count, visits: destination.experts.count)
      let message = DispatchMessage(writing: destination, wire, to: try dispatches.room(to: peer, byteCount: bytes))
      telemetry.traffic.byRank[peer.index].countDispatch(
        rows: destination.tokens.count, rowBytes: width, messageBytes: bytes)
      let tokens = destination.tokens
      func copy(_ share: Range<Int>) {
        for i in share { message.row(i).copyMemory(from: input.form(of: Int(tokens[i])), byteCount: width) }
      }
      if tokens.count < 8 {
        copy(tokens.indices)
      } else {
        compute.pool.run { copy(compute.share(of: tokens.count, worker: $0)) }
      }
      if destination.returnCount > 0 {
        try sums.expect(from: peer, limit: wire.combineByteCount(rows: destination.returnCount))
        owners.append(peer)
      }
      message.stamp = Timestamp.now()
      phases.sending(to: peer.index, rows: destination.tokens.count, layer: layer, isCombine: false, at: message.stamp)
      telemetry.traffic.byRank[peer.index].messages += 1
      try dispatches.send(to: peer, byteCount: bytes)
    }
    for host in telemetry.traffic.rowsToHost.indices { telemetry.traffic.rowsToHost[host] += plan.rowsToHost(host) }
  }

  private func compute(_ arrivals: Arrivals, layer: Int) {
    phases.enter(.experts, layer: layer)
    let distinct = arrivals.compute(layer: layer)
    telemetry.visited(layer: layer, experts: arrivals.experts, distinct: distinct)
  }

  /// Puts this rank's own tokens, source 0, with the others' arrivals. But where messages travel between hosts, and there is so much to
  /// do with own tokens that reading the weights twice costs little, they stay apart, to be computed while nothing else can be:
  /// before others' tokens are here, or after their sums have left.
  private func beginOwn(input: Rows, travels: Bool) -> Arrivals? {
    let own = plan.destination(communicator.rank.index)
    isSplit =
      travels && !own.experts.isEmpty
      && own.experts.count >= Self.separateVisits * placement.expertCount(of: communicator.rank)
    if isSplit { ownVisits.begin() }
    (isSplit ? ownVisits : arrivals).addOwn(own, input: input)
    return isSplit ? ownVisits : nil
  }

  /// Takes every peer's tokens as they come.
  private func receiveDispatches(layer: Int) throws {
    for source in sources {
      let began = Timestamp.now()
      let bytes = try relay(of: source)?.receive(from: source) ?? dispatches.receive(from: source)
      let arrived = Timestamp.now()
      phases.enter(.unpack, layer: layer)
      let message: DispatchMessage
      if let relay = relay(of: source) {
        message = try relay.read(bytes, from: source, layer: layer, tokenLimit: rowsByRank[source.index])
      } else {
        message = try DispatchMessage(
          reading: bytes.baseAddress!, byteCount: bytes.count, from: source, to: communicator.rank, layer: layer,
          tokenLimit: rowsByRank[source.index], wire: wire, placement: placement)
      }
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
      let rows = plan.destination(owner.index).returnCount
      let expected = wire.combineByteCount(rows: rows)
      guard bytes.count == expected else {
        throw ExpertParallelismError.malformedCombine(from: owner, layer: layer, bytes: bytes.count, expected: expected)
      }
      let message = CombineMessage(base: bytes.baseAddress!, wire: wire)
      returned[owner.index] = message.floats ?? expand(message, rows: rows, from: owner)
      blame(owner, sent: message.stamp, began: began, arrived: arrived, .combine, layer: layer)
    }
  }

  private func expand(_ message: CombineMessage, rows: Int, from owner: Rank) -> UnsafeMutablePointer<Float> {
    let hidden = wire.hiddenSize
    if expanded[owner.index].count < rows * hidden {
      expanded[owner.index] = AlignedBuffer(count: rows * hidden * 3 / 2)
    }
    let target = expanded[owner.index].pointer
    compute.pool.run { worker in
      for i in compute.share(of: rows, worker: worker) { message.read(row: i, into: target + i * hidden) }
    }
    return target
  }

  /// output `[rows, hidden]` := each own token's total.
  private func merge(into output: UnsafeMutablePointer<Float>) {
    let (table, own, compute, hidden) = (plan.sums, communicator.rank, compute, wire.hiddenSize)
    let ownRows = (isSplit ? ownVisits : arrivals).returns(toSource: 0)
    returned.withUnsafeBufferPointer { returned in
      let sums = PartialSums(own: own, ownRows: ownRows, returned: returned, hiddenSize: hidden)
      compute.pool.run { worker in
        for token in compute.share(of: table.count, worker: worker) {
          _ = sums.total(of: table.parts(of: token), compute, into: output + token * hidden)
        }
      }
    }
  }

  /// Sends every source the partial sums of its tokens.
  private func sendBack(layer: Int) throws {
    for (index, source) in arrivals.sources.enumerated() where source.rank != communicator.rank {
      let rows = arrivals.returns(toSource: index)
      guard !rows.isEmpty, let rank = source.rank, relay(of: rank) == nil else { continue }
      let count = wire.combineByteCount(rows: rows.count)
      let message = CombineMessage(base: try sums.room(to: rank, byteCount: count), wire: wire)
      compute.pool.run { worker in
        for i in compute.share(of: rows.count, worker: worker) {
          message.write(rows[i], row: i, compute)
        }
      }
      telemetry.traffic.byRank[rank.index].countCombine(
        tokens: source.tokenCount, rows: rows.count, rowBytes: wire.sumByteCount, messageBytes: count)
      message.stamp = Timestamp.now()
      phases.sending(to: rank.index, rows: rows.count, layer: layer, isCombine: true, at: message.stamp)
      telemetry.traffic.byRank[rank.index].messages += 1
      try sums.send(to: rank, byteCount: count)
    }
    guard isRelaying, let relay else { return }
    try relay.sendPartials(of: arrivals, layer: layer)
    phases.enter(.combine, layer: layer)
    try relay.returnSums(of: arrivals, through: sums, layer: layer)
  }
}
