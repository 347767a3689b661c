import NIOCore
import NIOHTTPTypes
import Synchronization

/// Tells a connection's requests that the client has gone, and ends the connection when the client is too slow to send
/// or to take.
///
/// A client that closes only its sending half counts as gone, too: it cannot be told from one that closed both.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  let departure = Departure()
  private let readTime: TimeAmount
  private let stallTime: TimeAmount
  private var reading: Scheduled<Void>?
  private var stall: Scheduled<Void>?

  init(limits: ServerLimits) { (readTime, stallTime) = (TimeAmount(limits.readTime), TimeAmount(limits.stallTime)) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      // The timer fires on this loop and is cancelled before the context goes.
      let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
      reading = context.eventLoop.assumeIsolated().scheduleTask(in: readTime) {
        bound.value.fireErrorCaught(ReadTimeout())
      }
      if head.headerFields[.expect]?.lowercased() == "100-continue" {
        context.writeAndFlush(wrapOutboundOut(.head(.init(status: .continue))), promise: nil)
      }
    case .body: break
    case .end: stopReading()
    }
    context.fireChannelRead(data)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stall?.cancel()
    stall = nil
    if !context.channel.isWritable {
      let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
      stall = context.eventLoop.assumeIsolated().scheduleTask(in: stallTime) { bound.value.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.inputClosed) = event as? ChannelEvent { departure.happen() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if !(error is ReadTimeout) { departure.happen() }
    context.fireErrorCaught(error)
  }

  private func end() {
    stopReading()
    stall?.cancel()
    stall = nil
    departure.happen()
  }

  private func stopReading() {
    reading?.cancel()
    reading = nil
  }
}

/// A request did not arrive in time.
struct ReadTimeout: Error {}

/// The moment a client goes.
final class Departure: Sendable {
  private struct State {
    var hasHappened = false
    var body: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())

  /// Has `body` called, once, when the client goes: at once if it has gone. Replaces an earlier one.
  func onDeparture(_ body: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if !state.hasHappened { state.body = body }
      return state.hasHappened
    }
    if isLate { body() }
  }

  func forget() { state.withLock { $0.body = nil } }

  func happen() {
    let body = state.withLock { state in
      state.hasHappened = true
      defer { state.body = nil }
      return state.body
    }
    body?()
  }
}
