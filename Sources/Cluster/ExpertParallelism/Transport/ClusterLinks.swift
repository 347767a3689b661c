import Fabric
import Kernels
import Telemetry

/// The ways from this rank to others and back, put together: exchanges, each with its account, and transports over
/// them.
struct ClusterLinks {
  private static let tokensTag = MessageTag(1)
  private static let outputsTag = MessageTag(2)
  private static let partialsTag = MessageTag(6)

  let direct: DirectTransport
  /// Where several hosts have several ranks.
  let relayed: RelayedTransport?
  let messages: MessagesUnderWay

  init(
    _ communicator: any Communicator, placement: ModelPlacement, compute: Compute, wire: WireFormat, topK: Int,
    telemetry: RankTelemetry, clocks: PeerClocks, channels: ExpertChannels?
  ) {
    func metered(_ exchange: some Exchange, isCombine: Bool) -> any Exchange {
      MeteredExchange(exchange, isCombine: isCombine, telemetry: telemetry, clocks: clocks)
    }
    let tokens = DirectExchange(communicator, tag: Self.tokensTag, channels: channels?.dispatches)
    let outputs = DirectExchange(communicator, tag: Self.outputsTag, channels: channels?.sums)
    let direct = DirectTransport(
      own: communicator.rank, hostOfRank: clocks.hostOfRank, placement: placement,
      tokens: metered(tokens, isCombine: false),
      outputs: metered(outputs, isCombine: true), compute: compute, wire: wire, topK: topK)
    self.direct = direct
    guard let relay = channels?.relay else {
      relayed = nil
      messages = MessagesUnderWay(communicator, relayedBy: nil)
      return
    }
    let gateways = Gateways(hostOfRank: clocks.hostOfRank)
    let inbound = GatewayExchange(
      tokens, communicator: communicator, gateways: gateways, inboxes: relay.inboxes, tag: Self.tokensTag)
    let partials = DirectExchange(communicator, tag: Self.partialsTag, channels: relay.partials)
    relayed = RelayedTransport(
      direct, own: communicator.rank, hostPeers: communicator.ranksOnHost.filter { $0 != communicator.rank },
      gateways: gateways, tokens: metered(inbound, isCombine: false), capacity: inbound.capacity,
      partials: metered(partials, isCombine: true), compute: compute, wire: wire)
    messages = MessagesUnderWay(communicator, relayedBy: inbound)
  }
}
