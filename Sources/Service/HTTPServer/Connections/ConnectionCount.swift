import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// Counts connections, and has those beyond a number wait to be accepted.
final class ConnectionCount: AvailableConnectionsDelegate {
  private struct State {
    var open = 0
    var opened = 0
    /// Times that the next one had to wait.
    var waits = 0
    var isFull = false
  }

  private let limit: Int
  private let log: RareLog
  private let state = Mutex(State())

  init(limit: Int, log: RareLog) { (self.limit, self.log) = (limit, log) }

  var open: Int { state.withLock { $0.open } }
  var opened: Int { state.withLock { $0.opened } }
  var waits: Int { state.withLock { $0.waits } }

  func connectionOpened() {
    state.withLock { state in
      state.open += 1
      state.opened += 1
    }
  }

  func connectionClosed() {
    state.withLock { state in
      state.open -= 1
      state.isFull = false
    }
  }

  func isAcceptingNewConnections() -> Bool {
    let (mayAccept, isNew) = state.withLock { state in
      guard state.open >= limit else { return (true, false) }
      defer { state.isFull = true }
      if !state.isFull { state.waits += 1 }
      return (false, !state.isFull)
    }
    if isNew {
      log.warn("\(limit) connections are open: further ones wait to be accepted; --max-connections allows more")
    }
    return mayAccept
  }
}

/// Tells of connections that could not be accepted, for want of files or memory. The server tries again each second.
final class AcceptWatch: ChannelInboundHandler, Sendable {
  typealias InboundIn = any Channel

  private let log: RareLog
  private let onFailure: @Sendable () -> Void

  init(log: RareLog, onFailure: @escaping @Sendable () -> Void) { (self.log, self.onFailure) = (log, onFailure) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    onFailure()
    let code = (error as? IOError)?.errnoCode
    let reason = code.map { String(cString: strerror($0)) } ?? "\(error)"
    let remedy = code == EMFILE ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)" : ""
    log.warn("a connection cannot be accepted: \(reason)\(remedy)")
    context.fireErrorCaught(error)
  }
}
