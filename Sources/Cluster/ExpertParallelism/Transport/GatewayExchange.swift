import Fabric

/// Tokens that come from other hosts through gateways: a rank sends them once to each other host, where one rank takes
/// them in, straight into memory that all ranks of that host read.
///
/// A message of another host must not be written to. Within a host, and on the sender's side, messages are direct.
final class GatewayExchange: Exchange {
  private let direct: DirectExchange
  private let communicator: any Communicator
  private let gateways: Gateways
  private let inboxes: HostInboxes
  private let tag: MessageTag
  /// By sender: a message on its way to this rank.
  private var receives: [PendingRequest?]
  private var failure: (any Error)?

  /// `tag` is that of messages from rank to rank.
  init(
    _ direct: DirectExchange, communicator: any Communicator, gateways: Gateways, inboxes: HostInboxes, tag: MessageTag
  ) {
    (self.direct, self.communicator, self.gateways) = (direct, communicator, gateways)
    (self.inboxes, self.tag) = (inboxes, tag)
    receives = Array(repeating: nil, count: communicator.size)
  }

  /// The longest message that can be taken in.
  var capacity: Int { inboxes.capacity }

  private func isRelayed(_ sender: Rank) -> Bool { !gateways.share(sender, communicator.rank) }

  private func isGateway(of sender: Rank) -> Bool {
    gateways.gateway(of: sender, towards: communicator.rank) == communicator.rank
  }

  func room(to peer: Rank, byteCount: Int) throws -> UnsafeMutableRawPointer {
    try direct.room(to: peer, byteCount: byteCount)
  }

  func send(_ contents: MessageContents, to peer: Rank) throws { try direct.send(contents, to: peer) }

  /// Of senders on other hosts, only their gateway need get ready.
  func expect(from peer: Rank, limit: Int) throws {
    guard isRelayed(peer) else { return try direct.expect(from: peer, limit: limit) }
    guard isGateway(of: peer) else { return }
    receives[peer.index] = try communicator.startReceive(into: try inboxes.begin(from: peer), from: peer, tag: tag)
  }

  func isShared(with peer: Rank) -> Bool { !isRelayed(peer) && direct.isShared(with: peer) }

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

  func hasArrived(from peer: Rank) throws -> Bool {
    guard isRelayed(peer) else { return try direct.hasArrived(from: peer) }
    advance()
    return inboxes.hasArrived(from: peer)
  }

  /// A rank must take the messages it is the gateway of first: others wait for them.
  func receive(from peer: Rank, layer: Int) throws -> UnsafeMutableRawBufferPointer {
    guard isRelayed(peer) else { return try direct.receive(from: peer, layer: layer) }
    if let failure { throw failure }
    if let request = receives[peer.index] { try publish(request, from: peer) }
    return try inboxes.receive(from: peer)
  }

  /// A gateway keeps a message until the host's outputs for it are sent.
  func release(from peer: Rank) throws {
    guard isRelayed(peer) else { return try direct.release(from: peer) }
    if !isGateway(of: peer) { try inboxes.release(from: peer) }
  }

  var isSending: Bool { direct.isSending }

  func finishSends() throws { try direct.finishSends() }
}
