import Fabric
import Kernels
import MoEModel
import Telemetry

/// Sums on their way back: from the ranks of a host to gateways, added up there, and from gateways home.
extension HostRelay {
  /// Sends each gateway of this host the partial sums of tokens it took in, sender by sender in ascending order.
  func sendPartials(of arrivals: Arrivals, layer: Int) throws {
    for gateway in peers {
      func isMeant(_ source: Arrivals.Source) -> Bool {
        guard let sender = source.rank, relays(sender) else { return false }
        return gateways.gateway(of: sender, towards: communicator.rank) == gateway
      }
      let count = arrivals.sources.reduce(0) { $0 + (isMeant($1) ? $1.returnCount : 0) }
      let tokens = arrivals.sources.reduce(0) { $0 + (isMeant($1) ? $1.tokenCount : 0) }
      guard count > 0 else { continue }
      let bytes = partialWire.combineByteCount(rows: count)
      let message = CombineMessage(base: try partials.room(to: gateway, byteCount: bytes), wire: partialWire)
      var first = 0
      for (index, source) in arrivals.sources.enumerated() where isMeant(source) {
        let rows = arrivals.returns(toSource: index)
        compute.pool.run { worker in
          for i in compute.share(of: rows.count, worker: worker) { message.write(rows[i], row: first + i, compute) }
        }
        first += rows.count
      }
      telemetry.traffic.byRank[gateway.index].countCombine(
        tokens: tokens, rows: count, rowBytes: partialWire.sumByteCount, messageBytes: bytes)
      message.stamp = note(rows: count, to: gateway, layer: layer)
      try partials.send(to: gateway, byteCount: bytes)
    }
  }

  /// Adds up what the ranks of this host computed for the tokens this rank took in, and sends it home through `sums`.
  func returnSums(of arrivals: Arrivals, through sums: Exchange, layer: Int) throws {
    func isServed(_ sender: Rank) -> Bool { relays(sender) && isGateway(sender) }
    for rank in rowCounts.indices { rowCounts[rank] = 0 }
    for source in arrivals.sources { if let sender = source.rank, isServed(sender) { tabulate(sender) } }
    try receivePartials(layer: layer)
    for (index, source) in arrivals.sources.enumerated() {
      guard let sender = source.rank, isServed(sender), tables[sender.index].count > 0 else { continue }
      let table = tables[sender.index]
      let bytes = wire.combineByteCount(rows: table.count)
      let message = CombineMessage(base: try sums.room(to: sender, byteCount: bytes), wire: wire)
      let (own, ownRows, hidden, compute) = (
        communicator.rank, arrivals.returns(toSource: index), wire.hiddenSize, compute
      )
      rows.withUnsafeBufferPointer { rows in
        let partials = PartialSums(own: own, ownRows: ownRows, returned: rows, hiddenSize: hidden)
        compute.pool.run { worker in
          for i in compute.share(of: table.count, worker: worker) {
            if let floats = message.floats {
              _ = partials.total(of: table.parts(of: i), compute, into: floats + i * hidden)
            } else {
              message.write(partials.total(of: table.parts(of: i), compute), row: i, compute)
            }
          }
        }
      }
      telemetry.traffic.byRank[sender.index].countCombine(
        tokens: messages[sender.index]!.tokenCount, rows: table.count, rowBytes: wire.sumByteCount, messageBytes: bytes)
      message.stamp = note(rows: table.count, to: sender, layer: layer)
      try sums.send(to: sender, byteCount: bytes)
    }
    for peer in peers where rowCounts[peer.index] > 0 { try partials.release(from: peer) }
  }

  private func note(rows: Int, to peer: Rank, layer: Int) -> UInt64 {
    let now = Timestamp.now()
    telemetry.recorder.sending(to: peer.index, rows: rows, layer: layer, isCombine: true, at: now)
    telemetry.traffic.byRank[peer.index].messages += 1
    return now
  }

  /// Finds what makes up each sum that `sender` expects, from its message: partial sums of a rank are numbered over all senders, but this
  /// rank's own for each.
  private func tabulate(_ sender: Rank) {
    let (message, table, own) = (messages[sender.index]!, tables[sender.index], communicator.rank.index)
    let (owners, nodes, hostNodes) = (placement.ownerIndices, placement.nodes, byHost.nodes)
    let (counts, experts) = (message.visitCounts, message.experts)
    rowCounts[own] = 0
    var writer = table.begin(totals: message.visitCount, parts: message.visitCount)
    var visit = 0
    for token in 0..<message.tokenCount {
      var (node, hostNode) = (Int32(-1), Int32(-1))
      for _ in 0..<counts[token] {
        let expert = experts[visit]
        visit += 1
        guard nodes[Int(expert)] != node else { continue }
        if hostNode >= 0, hostNodes[Int(expert)] != hostNode { writer.endTotal() }
        (node, hostNode) = (nodes[Int(expert)], hostNodes[Int(expert)])
        let owner = owners[Int(expert)]
        writer.add(id: expert, rank: owner, index: rowCounts[Int(owner)])
        rowCounts[Int(owner)] += 1
      }
      writer.endTotal()
    }
    table.end(writer)
  }

  private func receivePartials(layer: Int) throws {
    for peer in peers where rowCounts[peer.index] > 0 {
      let expected = partialWire.combineByteCount(rows: Int(rowCounts[peer.index]))
      try partials.expect(from: peer, limit: expected)
      let began = Timestamp.now()
      let bytes = try partials.receive(from: peer)
      guard bytes.count == expected else {
        throw ExpertParallelismError.malformedCombine(from: peer, layer: layer, bytes: bytes.count, expected: expected)
      }
      let message = CombineMessage(base: bytes.baseAddress!, wire: partialWire)
      rows[peer.index] = message.floats
      if message.stamp > began {
        telemetry.recorder.blame(
          peer.index, nanoseconds: min(message.stamp, Timestamp.now()) &- began, .combine, layer: layer)
      }
    }
  }
}
