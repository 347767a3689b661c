import HTTPTypes
import JSON
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import OpenAIProtocol

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
  private var heads: HeadWatch?
  private var reading: Scheduled<Void>?
  private var stall: Scheduled<Void>?
  private var ending: Scheduled<Void>?
  /// Requests begun.
  private var requests = 0
  /// Answers complete.
  private var answers = 0
  /// The body of the request begun last may still come.
  private var isReading = false
  /// It comes once the client is told to send it.
  private var awaitsContinue = false
  /// The number of the request that asks for another protocol: the decoder reads nothing after it, so it is the last.
  private var last: Int?
  private var takesNoMore = false
  /// The client has its last answer: what still comes is read, so that the answer arrives, and dropped.
  private var isOver = false

  init(limits: ServerLimits) { (readTime, stallTime) = (TimeAmount(limits.readTime), TimeAmount(limits.stallTime)) }

  func handlerAdded(context: ChannelHandlerContext) {
    // What this handler and those after it see no longer tells the version.
    do {
      let pipeline = context.pipeline.syncOperations
      let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
      try pipeline.addHandler(
        ProtocolVersionHandler(closingTime: min(stallTime, .seconds(5))), position: .before(codec))
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      let heads = HeadWatch(readTime: readTime, eventLoop: context.eventLoop) { self.endHead(context) }
      try pipeline.addHandler(heads, position: .before(decoder))
      self.heads = heads
    } catch { context.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !takesNoMore, !isOver else { return }
    var part = unwrapInboundIn(data)
    switch part {
    case .head(var head):
      requests += 1
      heads?.headCame()
      isReading = true
      awaitsContinue = head.headerFields[.expect]?.lowercased() == "100-continue"
      readBodyInTurn(context)
      if head.method == .connect || head.headerFields[.upgrade] != nil {
        last = requests
        // Whoever answers ends the connection then.
        head.headerFields[.connection] = "close"
        part = .head(head)
      }
      // As `ProtocolVersionHandler` spells it.
      if head.headerFields[.connection] == "close" { heads?.stop() }
    case .body: break
    case .end:
      stopReading()
      heads?.requestEnded()
      takesNoMore = last == requests
    }
    context.fireChannelRead(wrapInboundOut(part))
  }

  func read(context: ChannelHandlerContext) {
    // The decoder would keep all that still comes.
    if !takesNoMore { context.read() }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head):
      guard last == answers + 1 else { break }
      head.headerFields[.connection] = "close"
      context.write(wrapOutboundOut(.head(head)), promise: promise)
      return
    case .body: break
    case .end:
      answers += 1
      if answers == requests { heads?.answersEnded() }
      guard last == answers else {
        context.write(data, promise: promise)
        readBodyInTurn(context)
        return
      }
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenSuccess { self.endSoon(context) }
      written.futureResult.cascade(to: promise)
      context.write(data, promise: written)
      return
    }
    context.write(data, promise: promise)
  }

  /// Begins to time a body that is being read, and asks for it, once the answers before its own are complete: until
  /// then nobody reads what is sent ahead, so that it may take as long as they do, and a word to the client would be in
  /// the midst of one of them.
  private func readBodyInTurn(_ context: ChannelHandlerContext) {
    guard isReading, reading == nil, answers + 1 == requests, !isOver else { return }
    // Timers fire on this loop and are cancelled before the context goes.
    reading = context.eventLoop.assumeIsolated().scheduleTask(in: readTime) { self.endReading(context) }
    guard awaitsContinue else { return }
    awaitsContinue = false
    context.writeAndFlush(wrapOutboundOut(.head(.init(status: .continue))), promise: nil)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stall?.cancel()
    stall = nil
    if !context.channel.isWritable { watchStall(context, left: .max, since: .now()) }
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
    // Whoever answers to it ends the connection then.
    heads?.stop()
    guard !isOver else { return }
    if !(error is ReadTimeout) { departure.happen() }
    context.fireErrorCaught(error)
  }

  /// Looks again in a while whether the client has taken something: fewer bytes than `left` are left, as there were
  /// at `since`.
  private func watchStall(_ context: ChannelHandlerContext, left: Int, since: NIODeadline) {
    stall = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(stallTime.nanoseconds / 4)) {
      self.judgeStall(context, left: left, since: since)
    }
  }

  private func judgeStall(_ context: ChannelHandlerContext, left: Int, since: NIODeadline) {
    let options = context.channel.syncOptions
    let bytes = (try? options?.getOption(ChannelOptions.bufferedWritableBytes)) ?? left
    if bytes < left {
      watchStall(context, left: bytes, since: .now())
    } else if NIODeadline.now() - since < stallTime {
      watchStall(context, left: left, since: since)
    } else {
      departure.cutOff()
      context.close(promise: nil)
    }
  }

  private func endReading(_ context: ChannelHandlerContext) {
    context.fireErrorCaught(ReadTimeout())
    endSoon(context)
  }

  /// Answers a request of which no more is known than that it has begun; nothing is being answered.
  private func endHead(_ context: ChannelHandlerContext) {
    isOver = true
    let error = APIError.timeout(seconds: Int(readTime.nanoseconds / 1_000_000_000))
    let body = ByteBuffer(string: error.json.text())
    var head = HTTPResponse(status: .init(code: error.status))
    head.headerFields[.connection] = "close"
    head.headerFields[.contentType] = "application/json"
    head.headerFields[.contentLength] = String(body.readableBytes)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(body)), promise: nil)
    let written = context.eventLoop.makePromise(of: Void.self)
    // At first the sending half only, as what the client still sends would otherwise destroy what it has not read.
    written.futureResult.assumeIsolated().whenSuccess { context.close(mode: .output, promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    endSoon(context)
  }

  /// Closes the connection whatever the client does, but not before an answer has had time to arrive.
  private func endSoon(_ context: ChannelHandlerContext) {
    heads?.stop()
    ending?.cancel()
    ending = context.eventLoop.assumeIsolated().scheduleTask(in: min(stallTime, .seconds(5))) {
      self.closeUnlessAnswering(context)
    }
  }

  private func closeUnlessAnswering(_ context: ChannelHandlerContext) {
    // An earlier request than the last may still be being answered, or the last be told why it ends: both by others,
    // who may be held up.
    if answers < requests { endSoon(context) } else { context.close(promise: nil) }
  }

  private func end() {
    stopReading()
    heads?.stop()
    heads = nil
    stall?.cancel()
    stall = nil
    ending?.cancel()
    ending = nil
    departure.happen()
  }

  private func stopReading() {
    (isReading, awaitsContinue) = (false, false)
    reading?.cancel()
    reading = nil
  }
}

/// A request did not arrive in time.
struct ReadTimeout: Error {}
