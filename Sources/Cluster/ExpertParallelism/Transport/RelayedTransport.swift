import Fabric
import Kernels
import Tensors

/// Tokens travel once to each other host, to the sender's *gateway* there, and are read by all ranks they visit; their
/// partial outputs go to the gateway, which adds them up as far as experts of its host form subtrees of `CombineTree`.
///
/// Between ranks of one host all is direct.
final class RelayedTransport: Transport {
  let receivers: AlignedBuffer<Int32>?
  let peers: [Rank]
  let tokens: any Exchange
  var outputs: any Exchange { direct.outputs }
  let direct: DirectTransport
  let own: Rank
  let gateways: Gateways
  // One thread calls.
  @exclusivity(unchecked) var placement: ModelPlacement
  let compute: Compute
  let wire: WireFormat
  /// Ranks of this host by their places.
  let readers: [Rank?]
  /// The other ranks of this host.
  let hostPeers: [Rank]
  /// Partial outputs on their way to gateways of this host, in fp32.
  let partials: any Exchange
  let partialWire: WireFormat
  private let capacity: Int
  /// By sender that this rank is the gateway of: its message, and what its totals are made of.
  private(set) var messages: [DispatchMessage?]
  let tables: [PartialTable]
  /// By rank of this host: its partial outputs that this rank is to add up, and where they lie.
  var rowCounts: [Int32]
  var rows: [UnsafeMutablePointer<Float>?]

  /// `tokens` go through gateways, up to messages of `capacity` bytes; `hostPeers` are the other ranks of this host.
  init(
    _ direct: DirectTransport, own: Rank, hostPeers: [Rank], gateways: Gateways, tokens: any Exchange, capacity: Int,
    partials: any Exchange, compute: Compute, wire: WireFormat
  ) {
    (self.direct, self.own, self.hostPeers, self.gateways, self.tokens) = (direct, own, hostPeers, gateways, tokens)
    (self.capacity, self.partials, self.compute, self.wire) = (capacity, partials, compute, wire)
    placement = direct.placement
    receivers = AlignedBuffer(
      (0..<placement.rankCount).map { Int32(gateways.gateway(of: own, towards: Rank($0)).index) })
    readers = gateways.ranks(onHostOf: own)
    peers = Set(direct.peers.map { gateways.gateway(of: own, towards: $0) }).sorted()
    partialWire = wire.withExactSums
    let size = placement.rankCount
    messages = Array(repeating: nil, count: size)
    tables = (0..<size).map { _ in PartialTable() }
    rowCounts = Array(repeating: 0, count: size)
    rows = Array(repeating: nil, count: size)
  }

  /// Whether all messages of a step have room; the same on all ranks.
  func hasRoom(rowsByRank: [Int], topK: Int) -> Bool {
    let (most, all) = (rowsByRank.max() ?? 0, rowsByRank.reduce(0, +))
    return wire.dispatchByteCount(tokens: most, visits: most * topK) <= capacity
      && partialWire.combineByteCount(rows: all * min(topK, placement.rowLimit)) <= Int(Int32.max)
  }

  func relays(_ sender: Rank) -> Bool { !gateways.share(sender, own) }

  func isGateway(of sender: Rank) -> Bool { gateways.gateway(of: sender, towards: own) == own }

  /// Senders this rank is the gateway of come before others of other hosts: ranks of this host wait for their tokens.
  func expectTokens(rowsByRank: [Int], from sources: inout [Rank]) throws {
    for sender in direct.peers where rowsByRank[sender.index] > 0 {
      let rows = rowsByRank[sender.index]
      try tokens.expect(from: sender, limit: wire.dispatchByteCount(tokens: rows, visits: rows * direct.topK))
      if !relays(sender) { sources.append(sender) }
    }
    for isServed in [true, false] {
      for sender in direct.peers
      where rowsByRank[sender.index] > 0 && relays(sender) && isGateway(of: sender) == isServed {
        sources.append(sender)
      }
    }
  }

  func read(
    _ bytes: UnsafeMutableRawBufferPointer, from source: Rank, layer: Int, tokenLimit: Int
  ) throws(ExpertParallelismError) -> DispatchMessage {
    guard relays(source) else { return try direct.read(bytes, from: source, layer: layer, tokenLimit: tokenLimit) }
    let message = try DispatchMessage(
      reading: bytes.start, byteCount: bytes.count, from: source, to: readers, layer: layer,
      tokenLimit: tokenLimit, wire: wire, placement: placement[layer])
    if isGateway(of: source) { messages[source.index] = message }
    return message
  }

  func returnOutputs(of arrivals: Flight.Arrivals) throws {
    for (index, source) in arrivals.sources.enumerated() {
      if let rank = source.rank, !relays(rank) { try direct.returnOutputs(of: arrivals, toSource: index) }
    }
    try sendPartials(of: arrivals)
    try returnTotals(of: arrivals)
  }

  func finishSends() throws {
    try direct.finishSends()
    try partials.finishSends()
  }
}
