import Fabric
import Telemetry

/// An exchange with an account: what was sent to whom, and how long was waited for what, through whose fault.
///
/// It writes into each message when it was sent. Of a wait, the time until then is put down to the sender.
final class MeteredExchange<Base: Exchange>: Exchange {
  private let base: Base
  private let isCombine: Bool
  private let telemetry: RankTelemetry
  private let clocks: PeerClocks
  /// What this rank does while it waits, and after that.
  private let waiting: Phase
  private let working: Phase

  /// `isCombine` says which kind of message it is: partial outputs, or tokens.
  init(_ base: Base, isCombine: Bool, telemetry: RankTelemetry, clocks: PeerClocks) {
    (self.base, self.isCombine, self.telemetry, self.clocks) = (base, isCombine, telemetry, clocks)
    (waiting, working) = isCombine ? (.combine, .merge) : (.dispatch, .unpack)
  }

  /// Where the sender's clock stands in a message, little-endian.
  private var stampOffset: Int { isCombine ? CombineMessage.stampOffset : DispatchMessage.stampOffset }

  func room(to peer: Rank, byteCount: Int) throws -> UnsafeMutableRawPointer {
    try base.room(to: peer, byteCount: byteCount)
  }

  func send(_ contents: MessageContents, to peer: Rank) throws {
    let (rows, rowBytes, bytes) = (contents.rowCount, contents.rowByteCount, contents.byteCount)
    if isCombine {
      telemetry.returned(
        to: peer.index, tokens: contents.tokenCount, rows: rows, rowBytes: rowBytes, messageBytes: bytes)
    } else {
      telemetry.dispatched(to: peer.index, rows: rows, rowBytes: rowBytes, messageBytes: bytes)
    }
    let now = Timestamp.now()
    contents.base.storeBytes(of: now.littleEndian, toByteOffset: stampOffset, as: UInt64.self)
    telemetry.recorder.sending(to: peer.index, rows: rows, layer: contents.layer, isCombine: isCombine, at: now)
    try base.send(contents, to: peer)
  }

  func expect(from peer: Rank, limit: Int) throws { try base.expect(from: peer, limit: limit) }

  func isShared(with peer: Rank) -> Bool { base.isShared(with: peer) }

  func hasArrived(from peer: Rank) throws -> Bool { try base.hasArrived(from: peer) }

  func receive(from peer: Rank, layer: Int) throws -> UnsafeMutableRawBufferPointer {
    let phases = telemetry.recorder
    let began = Timestamp.now()
    phases.enter(waiting, layer: layer, at: began)
    let bytes = try base.receive(from: peer, layer: layer)
    let arrived = Timestamp.now()
    if bytes.count >= stampOffset + 8 {
      let stamp = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: stampOffset, as: UInt64.self))
      let sent = clocks.local(stamp, of: peer)
      if sent > began { phases.blame(peer.index, nanoseconds: min(sent, arrived) &- began, waiting, layer: layer) }
    }
    phases.enter(working, layer: layer, at: arrived)
    return bytes
  }

  func release(from peer: Rank) throws { try base.release(from: peer) }

  var isSending: Bool { base.isSending }

  func finishSends() throws {
    guard base.isSending else { return }
    let phases = telemetry.recorder
    phases.enter(waiting, layer: phases.layer)
    try base.finishSends()
    phases.enter(.merge, layer: phases.layer)
  }
}
