import Fabric
import Kernels
import MoEModel
import Telemetry

/// What passes through gateways: tokens that travel once to each other host and are read there by all ranks they visit, and their partial
/// sums, which the gateway adds up as far as experts of its host form subtrees of `CombineTree`.
final class HostRelay {
  private static let partialsTag = MessageTag(6)

  /// Shared memory of the relay.
  struct Memory {
    let inboxes: HostInboxes
    let partials: HostChannels
  }

  let gateways: Gateways
  /// As this rank sees it when it sends.
  let seen: ExpertPlacement
  /// Experts by host.
  let byHost: ExpertPlacement
  let communicator: any Communicator
  let placement: ExpertPlacement
  let compute: Compute
  let telemetry: RankTelemetry
  let wire: WireFormat
  /// The other ranks of this host.
  let peers: [Rank]
  /// Partial sums on their way to gateways of this host, in fp32.
  let partials: Exchange
  let partialWire: WireFormat
  private let inboxes: HostInboxes
  private let tag: MessageTag
  /// By sender: a message on its way to this rank.
  private var receives: [PendingRequest?]
  private var failure: (any Error)?
  /// By sender that this rank is the gateway of: its message, and what its sums are made of.
  private(set) var messages: [DispatchMessage?]
  let tables: [SumTable]
  /// By rank of this host: its partial sums that this rank is to add up, and where they lie.
  var rowCounts: [Int32]
  var rows: [UnsafeMutablePointer<Float>?]

  /// `tag` is that of dispatch messages.
  init(
    _ communicator: any Communicator, gateways: Gateways, memory: Memory, placement: ExpertPlacement, compute: Compute,
    wire: WireFormat,
    tag: MessageTag, telemetry: RankTelemetry
  ) {
    self.communicator = communicator
    self.gateways = gateways
    self.placement = placement
    self.compute = compute
    self.telemetry = telemetry
    self.wire = wire
    self.tag = tag
    peers = communicator.ranksOnHost.filter { $0 != communicator.rank }
    inboxes = memory.inboxes
    seen = gateways.placement(placement, for: communicator.rank)
    byHost = gateways.placementByHost(placement)
    partials = Exchange(communicator, tag: Self.partialsTag, channels: memory.partials)
    partialWire = WireFormat(hiddenSize: wire.hiddenSize, tokens: wire.tokens)
    let size = communicator.size
    receives = Array(repeating: nil, count: size)
    messages = Array(repeating: nil, count: size)
    tables = (0..<size).map { _ in SumTable() }
    rowCounts = Array(repeating: 0, count: size)
    rows = Array(repeating: nil, count: size)
  }

  func isGateway(_ sender: Rank) -> Bool {
    gateways.gateway(of: sender, towards: communicator.rank) == communicator.rank
  }

  /// Whether all messages of a step have room; the same on all ranks.
  func hasRoom(rowsByRank: [Int], topK: Int) -> Bool {
    let (most, all) = (rowsByRank.max() ?? 0, rowsByRank.reduce(0, +))
    return wire.dispatchByteCount(tokens: most, visits: most * topK) <= inboxes.capacity
      && partialWire.combineByteCount(rows: all * min(topK, placement.nodeLimit)) <= Int(Int32.max)
  }

  func relays(_ sender: Rank) -> Bool { !gateways.share(sender, communicator.rank) }

  // MARK: Tokens

  /// Gets ready for a message of `sender`, where this rank is its gateway.
  func expect(from sender: Rank) throws {
    guard isGateway(sender) else { return }
    let room = try inboxes.begin(from: sender)
    receives[sender.index] = try communicator.startReceive(into: room, from: sender, tag: tag)
  }

  /// Shows the ranks of this host what has come for them; a failure shows when the message is waited for.
  func advance() {
    for index in receives.indices {
      guard let request = receives[index] else { continue }
      do {
        if try communicator.isComplete(request) { try publish(request, from: Rank(index)) }
      } catch { failure = failure ?? error }
    }
  }

  private func publish(_ request: PendingRequest, from sender: Rank) throws {
    receives[sender.index] = nil
    try inboxes.publish(from: sender, byteCount: try communicator.wait(request))
  }

  func hasArrived(from sender: Rank) -> Bool { inboxes.hasArrived(from: sender) }

  /// Waits for the message of `sender`. A rank must take those it is the gateway of first: others wait for them.
  func receive(from sender: Rank) throws -> UnsafeMutableRawBufferPointer {
    if let failure { throw failure }
    if let request = receives[sender.index] { try publish(request, from: sender) }
    return try inboxes.receive(from: sender)
  }

  /// Checks a message to this host.
  func read(_ bytes: UnsafeMutableRawBufferPointer, from sender: Rank, layer: Int, tokenLimit: Int)
    throws(ExpertParallelismError) -> DispatchMessage
  {
    let message = try DispatchMessage(
      reading: bytes.baseAddress!, byteCount: bytes.count, from: sender, to: gateways.leader(of: communicator.rank),
      layer: layer,
      tokenLimit: tokenLimit, wire: wire, placement: byHost)
    if isGateway(sender) { messages[sender.index] = message }
    return message
  }

  /// Ends the use of a message; its gateway keeps it until its sums are sent.
  func release(from sender: Rank) throws { if !isGateway(sender) { try inboxes.release(from: sender) } }
}
