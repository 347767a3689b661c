import Fabric
import Kernels
import Machine
import Tensors

/// Every rank sends straight to every other.
final class DirectTransport: Transport {
  // One thread calls.
  @exclusivity(unchecked) var placement: ModelPlacement
  let receivers: AlignedBuffer<Int32>? = nil
  let peers: [Rank]
  let tokens: any Exchange
  let outputs: any Exchange
  private let own: Rank
  /// This rank at its place on the host.
  private let readers: [Rank?]
  private let compute: Compute
  private let wire: WireFormat
  let topK: Int

  init(
    own: Rank, hostOfRank: [Int], placement: ModelPlacement, tokens: any Exchange, outputs: any Exchange,
    compute: Compute, wire: WireFormat, topK: Int
  ) {
    self.own = own
    self.placement = placement
    let gateways = Gateways(hostOfRank: hostOfRank)
    readers = gateways.ranks(onHostOf: own).map { $0 == own ? own : nil }
    peers = (0..<placement.rankCount).map { Rank($0) }.filter { $0 != own }
    (self.tokens, self.outputs, self.compute, self.wire, self.topK) = (tokens, outputs, compute, wire, topK)
  }

  func expectTokens(rowsByRank: [Int], from sources: inout [Rank]) throws {
    for peer in peers where rowsByRank[peer.index] > 0 {
      let rows = rowsByRank[peer.index]
      try tokens.expect(from: peer, limit: wire.dispatchByteCount(tokens: rows, visits: rows * topK))
      sources.append(peer)
    }
  }

  func read(
    _ bytes: UnsafeMutableRawBufferPointer, from source: Rank, layer: Int, tokenLimit: Int
  ) throws(ExpertParallelismError) -> DispatchMessage {
    try DispatchMessage(
      reading: bytes.start, byteCount: bytes.count, from: source, to: readers, layer: layer,
      tokenLimit: tokenLimit, wire: wire, placement: placement[layer])
  }

  func returnOutputs(of arrivals: Flight.Arrivals) throws {
    for index in arrivals.sources.indices { try returnOutputs(of: arrivals, toSource: index) }
  }

  /// Sends one source the partial outputs of its tokens; none to this rank itself, or where there are none.
  func returnOutputs(of arrivals: Flight.Arrivals, toSource index: Int) throws {
    let (source, rows) = (arrivals.sources[index], arrivals.outputs(ofSource: index))
    guard !rows.isEmpty, let rank = source.rank else { return }
    let (compute, wire) = (compute, wire)
    let count = wire.combineByteCount(rows: rows.count)
    let message = CombineMessage(base: try outputs.room(to: rank, byteCount: count), wire: wire)
    compute.pool.run { worker in
      for i in compute.share(of: rows.count, worker: worker) { message.write(rows[i], row: i, compute) }
    }
    try outputs.send(
      MessageContents(
        base: message.base, byteCount: count, layer: arrivals.layer, tokenCount: source.tokenCount,
        rowCount: rows.count,
        rowByteCount: wire.sumByteCount), to: rank)
  }

  func finishSends() throws {
    try tokens.finishSends()
    try outputs.finishSends()
  }
}
