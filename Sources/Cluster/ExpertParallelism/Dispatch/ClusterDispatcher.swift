import Fabric
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors

/// The dispatcher of a cluster: each token travels once to every rank that owns experts it chose, or once to every
/// other host (`RelayedTransport`), and comes back as partial outputs.
///
/// A rank that has no tokens in a step sends none, and every rank knows so from the step's plan; all take part in every
/// layer. Outputs are added along `CombineTree`, so that results do not depend on the placement.
package final class ClusterDispatcher: ExpertDispatcher {
  /// Own visits of an expert, on average, from which arithmetic takes longer than reading its weights.
  private static let separateVisits = 16

  private let communicator: any Communicator
  @exclusivity(unchecked) private var placement: ModelPlacement
  private let compute: Compute
  private let wire: WireFormat
  private let topK: Int
  private let gathersVisits: Bool
  /// The most rows one rank may return for a token.
  @exclusivity(unchecked) private var returnLimit: Int
  private let hostOfRank: [Int]
  private let direct: DirectTransport
  /// Where several ranks share a host of several.
  private let relayed: RelayedTransport?
  // One thread calls.
  /// That of the step.
  @exclusivity(unchecked) private var transport: any Transport
  /// Tokens each rank has in the step.
  @exclusivity(unchecked) private var rowsByRank: [Int]
  @exclusivity(unchecked) private var idle: [Flight] = []
  /// By rank: its outputs expanded, where they travel rounded.
  @exclusivity(unchecked) private var expanded: [AlignedBuffer<Float>]
  /// By rank: its outputs as they came.
  @exclusivity(unchecked) private var received: [CombineMessage?]
  /// Nil where nothing is fetched while outputs come back.
  private let fetch: WeightFetch?
  /// They move on while experts compute.
  private let messages: MessagesUnderWay

  /// `placement` is the same on all ranks; a token visits `topK` experts; `telemetry` counts the messages sent and
  /// awaited. With `gathersVisits` experts get all visits of a layer in one batch, in order of rank, however long that
  /// takes.
  package init(
    communicator: any Communicator, placement: ModelPlacement, compute: Compute, wire: WireFormat, topK: Int,
    telemetry: RankTelemetry, clocks: PeerClocks, channels: ExpertChannels? = nil, gathersVisits: Bool = false
  ) {
    (self.communicator, self.placement, self.compute) = (communicator, placement, compute)
    (self.wire, self.topK, self.gathersVisits) = (wire, topK, gathersVisits)
    hostOfRank = clocks.hostOfRank
    let links = ClusterLinks(
      communicator, placement: placement, compute: compute, wire: wire, topK: topK, telemetry: telemetry,
      clocks: clocks, channels: channels)
    (direct, relayed, transport, messages) = (links.direct, links.relayed, links.direct, links.messages)
    returnLimit = min(topK, links.relayed == nil ? placement.rowLimit : topK)
    rowsByRank = Array(repeating: 0, count: communicator.size)
    expanded = Array(repeating: AlignedBuffer(count: 1), count: communicator.size)
    received = Array(repeating: nil, count: communicator.size)
    fetch = communicator.size > 1 ? WeightFetch(byteLimit: compute.fetchByteCount) : nil
  }

  package var fetches: Bool { fetch != nil }

  /// Tells how many tokens each rank feeds through the model in the coming step, `rowsByRank` `[ranks]`; the same on
  /// every rank.
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
    if let relayed, relayed.hasRoom(rowsByRank: rowsByRank, topK: topK) {
      transport = relayed
    } else {
      transport = direct
    }
  }

  /// Goes on with another placement, of as many ranks; between steps, on all ranks.
  package func adopt(_ placement: ModelPlacement) {
    self.placement = placement
    direct.placement = placement
    relayed?.placement = placement
    returnLimit = min(topK, relayed == nil ? placement.rowLimit : topK)
  }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) throws -> Flight {
    let flight =
      idle.popLast()
      ?? Flight(own: communicator.rank, transport: transport, hostOfRank: hostOfRank)
    let transport = transport
    try flight.begin(layer: layer, transport, rowsByRank: rowsByRank, decisions, tokenCount: count)
    if count > 0 { for peer in transport.peers { try send(rows, of: flight, to: peer) } }
    let travels = flight.travels
    flight.addOwn(rows, apart: travels && computesApart(flight.plan.destination(communicator.rank.index), layer))
    compute.pool.polled = travels ? messages : nil
    return flight
  }

  /// Sends one rank its tokens, and gets ready for what will come back.
  private func send(_ rows: Rows, of flight: Flight, to peer: Rank) throws {
    let (exchange, width) = (transport.tokens, wire.tokenByteCount)
    let destination = flight.plan.destination(peer.index)
    let tokens = destination.tokens
    let bytes = wire.dispatchByteCount(tokens: tokens.count, visits: destination.visits.count)
    let message = DispatchMessage(writing: destination, wire, to: try exchange.room(to: peer, byteCount: bytes))
    func copy(_ share: Range<Int>) {
      for i in share { message.row(i).copyMemory(from: rows.form(of: Int(tokens[i])), byteCount: width) }
    }
    if tokens.count < 8 {
      copy(tokens.indices)
    } else {
      compute.pool.run { copy(compute.share(of: tokens.count, worker: $0)) }
    }
    if destination.returnCount > 0 {
      try transport.outputs.expect(from: peer, limit: wire.combineByteCount(rows: destination.returnCount))
      flight.owners.append(peer)
    }
    try exchange.send(
      MessageContents(
        base: message.base, byteCount: bytes, layer: flight.layer, tokenCount: tokens.count, rowCount: tokens.count,
        rowByteCount: width), to: peer)
  }

  /// Whether own tokens stay apart from others': where messages travel between hosts, and there is so much to do with
  /// own tokens that reading the weights twice costs little.
  private func computesApart(_ own: DispatchPlan.Destination, _ layer: Int) -> Bool {
    !gathersVisits && !own.visits.isEmpty
      && own.visits.count >= Self.separateVisits * placement[layer].expertCount(of: communicator.rank)
  }

  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {
    compute.pool.polled = nil
    let (transport, outputs, owners) = (transport, transport.outputs, flight.owners)
    if let fetch, let next, !owners.isEmpty {
      try receiveOutputs(of: flight, outputs, fetch, next)
    } else {
      for owner in owners { try receiveOutputs(of: flight, from: owner, outputs) }
    }
    for owner in owners {
      guard let message = received[owner.index] else { continue }
      let rows = flight.plan.destination(owner.index).returnCount
      flight.returned[owner.index] = message.floats ?? expand(message, rows: rows, from: owner)
    }
    if flight.tokenCount > 0 { addUp(flight, into: output) }
    for owner in owners { try outputs.release(from: owner) }
    try transport.finishSends()
  }

  package func release(_ flight: Flight) { idle.append(flight) }

  /// Waits for all partial outputs of own tokens. Meanwhile workers fetch what is multiplied with `next`, worker 0
  /// between two looks at messages.
  private func receiveOutputs(
    of flight: Flight, _ outputs: any Exchange, _ fetch: WeightFetch, _ next: NextWeights
  ) throws {
    communicator.whileWaiting = fetch
    defer { communicator.whileWaiting = nil }
    var failure: (any Error)?
    fetch.begin()
    compute.pool.run { worker in
      guard worker == 0 else {
        fetch.follow(next, worker: worker)
        return
      }
      fetch.take(next)
      do {
        for owner in flight.owners { try receiveOutputs(of: flight, from: owner, outputs) }
      } catch {
        failure = error
      }
      fetch.end()
    }
    if let failure { throw failure }
  }

  /// Waits for one rank's partial outputs of own tokens.
  private func receiveOutputs(of flight: Flight, from owner: Rank, _ outputs: any Exchange) throws {
    let bytes = try outputs.receive(from: owner, layer: flight.layer)
    let rows = flight.plan.destination(owner.index).returnCount
    let expected = wire.combineByteCount(rows: rows)
    guard bytes.count == expected else {
      throw ExpertParallelismError.malformedCombine(
        from: owner, layer: flight.layer, bytes: bytes.count, expected: expected)
    }
    received[owner.index] = CombineMessage(base: bytes.start, wire: wire)
  }

  private func expand(_ message: CombineMessage, rows: Int, from owner: Rank) -> UnsafeMutablePointer<Float> {
    let width = wire.outputSize
    if expanded[owner.index].count < rows * width { expanded[owner.index] = AlignedBuffer(count: rows * width * 3 / 2) }
    let target = expanded[owner.index].pointer
    compute.pool.run { worker in
      for i in compute.share(of: rows, worker: worker) { message.read(row: i, into: target + i * width) }
    }
    return target
  }

  /// output `[tokens, output]` := each own token's total.
  private func addUp(_ flight: Flight, into output: UnsafeMutablePointer<Float>) {
    let (table, own, compute, width) = (flight.plan.totals, communicator.rank, compute, wire.outputSize)
    let ownRows = flight.ownOutputs
    flight.returned.withUnsafeBufferPointer { returned in
      let outputs = PartialOutputs(own: own, ownRows: ownRows, returned: returned, width: width)
      compute.pool.run { worker in
        for token in compute.share(of: table.count, worker: worker) {
          _ = outputs.total(of: table.parts(of: token), compute, into: output + token * width)
        }
      }
    }
  }
}
