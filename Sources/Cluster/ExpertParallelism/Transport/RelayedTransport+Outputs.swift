import Fabric
import Kernels
import Machine
import Tensors

/// Partial outputs on their way back: from the ranks of a host to gateways, added up there, and from gateways home.
extension RelayedTransport {
  /// Sends each gateway of this host the partial outputs of tokens it took in, sender by sender in ascending order.
  func sendPartials(of arrivals: Flight.Arrivals) throws {
    for gateway in hostPeers {
      func isMeant(_ source: Flight.Source) -> Bool {
        guard let sender = source.rank, relays(sender) else { return false }
        return gateways.gateway(of: sender, towards: own) == gateway
      }
      let count = arrivals.sources.reduce(0) { $0 + (isMeant($1) ? $1.outputCount : 0) }
      let tokenCount = arrivals.sources.reduce(0) { $0 + (isMeant($1) ? $1.tokenCount : 0) }
      guard count > 0 else { continue }
      let bytes = partialWire.combineByteCount(rows: count)
      let message = CombineMessage(base: try partials.room(to: gateway, byteCount: bytes), wire: partialWire)
      var first = 0
      for (index, source) in arrivals.sources.enumerated() where isMeant(source) {
        let rows = arrivals.outputs(ofSource: index)
        compute.pool.run { worker in
          for i in compute.share(of: rows.count, worker: worker) { message.write(rows[i], row: first + i, compute) }
        }
        first += rows.count
      }
      try partials.send(
        MessageContents(
          base: message.base, byteCount: bytes, layer: arrivals.layer, tokenCount: tokenCount, rowCount: count,
          rowByteCount: partialWire.sumByteCount), to: gateway)
    }
  }

  /// Adds up what the ranks of this host computed for the tokens this rank took in, and sends it home.
  func returnTotals(of arrivals: Flight.Arrivals) throws {
    func isServed(_ sender: Rank) -> Bool { relays(sender) && isGateway(of: sender) }
    for rank in rowCounts.indices { rowCounts[rank] = 0 }
    for source in arrivals.sources {
      if let sender = source.rank, isServed(sender), let message = messages[sender.index] {
        tabulate(message, of: sender)
      }
    }
    try receivePartials(layer: arrivals.layer)
    for (index, source) in arrivals.sources.enumerated() {
      guard let sender = source.rank, isServed(sender), let received = messages[sender.index] else { continue }
      let table = tables[sender.index]
      guard table.count > 0 else { continue }
      let bytes = wire.combineByteCount(rows: table.count)
      let message = CombineMessage(base: try outputs.room(to: sender, byteCount: bytes), wire: wire)
      let (own, ownRows, width, compute) = (own, arrivals.outputs(ofSource: index), wire.outputSize, compute)
      rows.withUnsafeBufferPointer { rows in
        let partials = PartialOutputs(own: own, ownRows: ownRows, returned: rows, width: width)
        compute.pool.run { worker in
          for i in compute.share(of: table.count, worker: worker) {
            if let floats = message.floats {
              _ = partials.total(of: table.parts(of: i), compute, into: floats + i * width)
            } else {
              message.write(partials.total(of: table.parts(of: i), compute), row: i, compute)
            }
          }
        }
      }
      try outputs.send(
        MessageContents(
          base: message.base, byteCount: bytes, layer: arrivals.layer, tokenCount: received.tokenCount,
          rowCount: table.count, rowByteCount: wire.sumByteCount), to: sender)
    }
    for peer in hostPeers where rowCounts[peer.index] > 0 { try partials.release(from: peer) }
  }

  /// Finds what makes up each total that `sender` expects, from its message: partial outputs of a rank are numbered
  /// over all senders, but this rank's own for each.
  private func tabulate(_ message: DispatchMessage, of sender: Rank) {
    let (table, own) = (tables[sender.index], own.index)
    let (counts, visits) = (message.visitCounts, message.visits)
    rowCounts[own] = 0
    var writer = table.begin(totals: message.visitCount, parts: message.visitCount)
    var visit = 0
    for token in 0..<message.tokenCount {
      for place in 0..<Int(counts[token]) {
        let word = visits[visit]
        visit += 1
        if place > 0, word.beginsRow { writer.endTotal() }
        guard word.beginsSubtree, let owner = readers[Int(word.place)]?.index else { continue }
        writer.add(id: word.expert, rank: Int32(owner), index: rowCounts[owner])
        rowCounts[owner] += 1
      }
      writer.endTotal()
    }
    table.end(writer)
  }

  private func receivePartials(layer: Int) throws {
    for peer in hostPeers where rowCounts[peer.index] > 0 {
      let expected = partialWire.combineByteCount(rows: Int(rowCounts[peer.index]))
      try partials.expect(from: peer, limit: expected)
      let bytes = try partials.receive(from: peer, layer: layer)
      guard bytes.count == expected else {
        throw ExpertParallelismError.malformedCombine(from: peer, layer: layer, bytes: bytes.count, expected: expected)
      }
      rows[peer.index] = CombineMessage(base: bytes.start, wire: partialWire).floats
    }
  }
}
