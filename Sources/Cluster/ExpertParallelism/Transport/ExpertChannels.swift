import Fabric

/// Shared memory for what the ranks of a host send each other in expert layers.
package struct ExpertChannels {
  let dispatches: HostChannels
  let sums: HostChannels
  /// Where several hosts have several ranks.
  let relay: Relay?

  /// What passes through gateways: tokens of other hosts, and partial outputs of this one.
  struct Relay {
    let inboxes: HostInboxes
    let partials: HostChannels
  }

  /// Room for steps of up to `batchTokens` tokens a rank, each with `topK` visits, with this placement, or with any,
  /// where experts `move`: what is longer takes another way, and more time. `hostOfRank`: by rank, a number of its
  /// host. Nil on all ranks where there is no shared memory. Collective.
  package init?(
    _ communicator: any Communicator, placement: ModelPlacement, moves: Bool = false, wire: WireFormat, topK: Int,
    batchTokens: Int, hostOfRank: [Int]
  ) throws(FabricError) {
    let rows = moves ? topK : min(topK, placement.rowLimit)
    let dispatch = wire.dispatchByteCount(tokens: batchTokens, visits: batchTokens * topK)
    let combine = wire.combineByteCount(rows: batchTokens * rows)
    guard let dispatches = try HostChannels(communicator, byteCount: dispatch),
      let sums = try HostChannels(communicator, byteCount: combine)
    else { return nil }
    (self.dispatches, self.sums) = (dispatches, sums)
    let gateways = Gateways(hostOfRank: hostOfRank)
    guard gateways.save else {
      relay = nil
      return
    }
    let own = communicator.rank
    let senders = hostOfRank.indices.map { Rank($0) }
    // A gateway adds up the outputs of all its senders in one message.
    let served = Int(
      try communicator.allReduceMax(
        Int64(senders.count { !gateways.share($0, own) && gateways.gateway(of: $0, towards: own) == own })))
    let partial = wire.withExactSums.combineByteCount(rows: served * batchTokens * rows)
    let inboxes = try HostInboxes(
      communicator, gateways: senders.map { gateways.share($0, own) ? nil : gateways.gateway(of: $0, towards: own) },
      byteCount: dispatch)
    if let inboxes, let partials = try HostChannels(communicator, byteCount: partial) {
      relay = Relay(inboxes: inboxes, partials: partials)
    } else {
      relay = nil
    }
  }
}
