import Fabric

/// Messages under way together, of lengths both ends know. The memory they use must stay until `finish`.
final class Transfers {
  private let communicator: any Communicator
  private var sends: [PendingRequest] = []
  private var receives: [(request: PendingRequest, peer: Rank, byteCount: Int)] = []

  init(_ communicator: any Communicator) { self.communicator = communicator }

  func send(_ bytes: UnsafeRawBufferPointer, to peer: Rank, tag: MessageTag) throws(FabricError) {
    sends.append(try communicator.startSend(bytes, to: peer, tag: tag))
  }

  func receive(into bytes: UnsafeMutableRawBufferPointer, from peer: Rank, tag: MessageTag) throws(FabricError) {
    receives.append((try communicator.startReceive(into: bytes, from: peer, tag: tag), peer, bytes.count))
  }

  /// Waits for all of them, also where one fails: none may write into memory that is somebody else's by then. Throws
  /// the first failure.
  func finish() throws(FabricError) {
    var failure: FabricError?
    for (request, peer, byteCount) in receives {
      do throws(FabricError) {
        let received = try communicator.wait(request)
        if received != byteCount {
          throw .malformedMessage(from: peer, reason: "\(received) bytes of sums instead of \(byteCount)")
        }
      } catch { failure = failure ?? error }
    }
    for request in sends {
      do throws(FabricError) { try communicator.wait(request) } catch { failure = failure ?? error }
    }
    (sends, receives) = ([], [])
    if let failure { throw failure }
  }
}
