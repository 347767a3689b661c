import NIOCore

/// Tells when the head of a request takes too long to come. Stands before the decoder, which tells nothing of a head
/// until it has all of it.
///
/// Time runs from a head's first byte, but not while an answer does: what a client sends ahead may wait for that. Of a
/// head that begins in one piece with the end of the request before it, time runs from its next piece on; where none
/// comes, the limit of idle connections holds. Line breaks before a head, as some clients send them after a body, are
/// none of it.
final class HeadWatch: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let readTime: TimeAmount
  private let eventLoop: any EventLoop
  private var onTimeout: (() -> Void)?
  private var timer: Scheduled<Void>?
  /// No request is being read.
  private var awaitsHead = true
  /// Some of the awaited head has come.
  private var hasBegun = false
  private var isAnswering = false

  /// `onTimeout` is called at most once, on the connection's loop.
  init(readTime: TimeAmount, eventLoop: any EventLoop, onTimeout: @escaping () -> Void) {
    (self.readTime, self.eventLoop, self.onTimeout) = (readTime, eventLoop, onTimeout)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if awaitsHead, !hasBegun {
      hasBegun = unwrapInboundIn(data).readableBytesView.contains {
        $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n")
      }
    }
    // The decoder passes on at once what it can, so that most heads are complete before a timer is needed.
    context.fireChannelRead(data)
    watch()
  }

  /// A request's head is complete: its body may come, and its answer is owed.
  func headCame() {
    (awaitsHead, hasBegun, isAnswering) = (false, false, true)
    cancel()
  }

  /// A request is complete.
  func requestEnded() { awaitsHead = true }

  /// All requests whose heads came are answered.
  func answersEnded() {
    isAnswering = false
    watch()
  }

  /// The connection is to end: no further head is waited for.
  func stop() {
    onTimeout = nil
    cancel()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  private func watch() {
    guard hasBegun, !isAnswering, timer == nil, onTimeout != nil else { return }
    timer = eventLoop.assumeIsolated().scheduleTask(in: readTime) { self.onTimeout?() }
  }

  private func cancel() {
    timer?.cancel()
    timer = nil
  }
}
