import NIOCore
import NIOHTTP1

/// Gives each connection the semantics of the version of HTTP that its client speaks.
///
/// Stands between the decoder and handlers that know HTTP/1.1 only. An answer to HTTP/1.0 says so, is never sent in
/// chunks, and comes without `100 Continue`; its connection is kept only where the client asked for that and the answer
/// tells its length. A connection that is not kept is closed once its answer has had time to arrive.
final class ProtocolVersionHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private struct Request {
    var isOld: Bool
    var isKept: Bool
  }

  /// Requests whose answers are not complete, in order.
  private var unanswered: [Request] = []
  private var isLastRequest = false
  private var takesNoMore = false
  private let closingTime: TimeAmount
  private var closing: Scheduled<Void>?

  /// `closingTime`: how long a client may take to close a connection that is not kept.
  init(closingTime: TimeAmount) { self.closingTime = closingTime }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !takesNoMore else { return }
    switch unwrapInboundIn(data) {
    case .head(var head):
      let isOld = head.version.major < 1 || head.version.major == 1 && head.version.minor == 0
      let options = head.headers[canonicalForm: "connection"].map { $0.lowercased() }
      // A body in a coding that is not known is refused, and whoever sends one may mean another end of it.
      let isKept =
        !options.contains("close") && (!isOld || options.contains("keep-alive")) && !Self.hasUnknownCoding(head)
      if let fault = Self.fault(head, isOld: isOld) {
        unanswered.append(Request(isOld: isOld, isKept: false))
        takesNoMore = true
        context.fireErrorCaught(fault)
        return
      }
      unanswered.append(Request(isOld: isOld, isKept: isKept))
      // As the server's loop wants it spelt to end with this request.
      if !isKept { head.headers.replaceOrAdd(name: "connection", value: "close") }
      if isOld { head.headers.remove(name: "expect") }
      isLastRequest = !isKept
      context.fireChannelRead(wrapInboundOut(.head(head)))
    case .body: context.fireChannelRead(data)
    case .end:
      takesNoMore = isLastRequest
      context.fireChannelRead(data)
    }
  }

  /// What makes a request's end or its addressee uncertain (RFC 9112, sections 3.2 and 6.1).
  private static func fault(_ head: HTTPRequestHead, isOld: Bool) -> HTTPParserError? {
    if isOld { return head.headers.contains(name: "transfer-encoding") ? .unexpectedContentLength : nil }
    // The decoder takes the chunks out of any list that ends in "chunked", and leaves the other codings in: those are
    // answered with 501.
    let codings = codings(head)
    guard codings.isEmpty || codings.last == "chunked" && !codings.dropLast().contains("chunked") else {
      return .invalidHeaderToken
    }
    return head.headers["host"].count == 1 ? nil : .invalidHeaderToken
  }

  private static func codings(_ head: HTTPRequestHead) -> [String] {
    head.headers[canonicalForm: "transfer-encoding"].map { $0.lowercased() }
  }

  private static func hasUnknownCoding(_ head: HTTPRequestHead) -> Bool { codings(head).contains { $0 != "chunked" } }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard let request = unanswered.first else { return context.write(data, promise: promise) }
    switch unwrapOutboundIn(data) {
    case .head(var head):
      if (100..<200).contains(head.status.code) {
        if request.isOld { promise?.succeed() } else { context.write(data, promise: promise) }
        return
      }
      var isKept = request.isKept && !head.headers[canonicalForm: "connection"].contains("close")
      if request.isOld {
        head.version = .http1_0
        head.headers.remove(name: "transfer-encoding")
        if head.status.mayHaveResponseBody, !head.headers.contains(name: "content-length") { isKept = false }
      }
      unanswered[0].isKept = isKept
      if !isKept {
        head.headers.replaceOrAdd(name: "Connection", value: "close")
      } else if request.isOld {
        head.headers.replaceOrAdd(name: "Connection", value: "keep-alive")
      }
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .body: context.write(data, promise: promise)
    case .end:
      unanswered.removeFirst()
      guard !request.isKept else { return context.write(data, promise: promise) }
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenSuccess { self.close(context) }
      written.futureResult.cascade(to: promise)
      context.write(data, promise: written)
    }
  }

  /// Closes at first the sending half only: what the client still sends would otherwise destroy what it has not read.
  private func close(_ context: ChannelHandlerContext) {
    takesNoMore = true
    context.close(mode: .output, promise: nil)
    closing?.cancel()
    closing = context.eventLoop.assumeIsolated().scheduleTask(in: closingTime) { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  private func stop() {
    closing?.cancel()
    closing = nil
  }
}
