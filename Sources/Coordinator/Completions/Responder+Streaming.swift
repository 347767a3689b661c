import HTTPTypes
import Hummingbird
import NIOCore
import OpenAIProtocol
import Serving

/// Makes the frames of a streamed answer.
protocol FrameSource: Sendable {
  /// What is to be sent next, which may be nothing; nil when the answer is complete.
  mutating func next() async throws -> String?
}

extension Responder {
  /// Takes places for `count` sequences; they are given back when the submission ends.
  ///
  /// Only a client that is sent its answer as it comes can be behind.
  func admit(
    _ count: Int, isStreamed: Bool, facts: EngineFacts, _ context: Context
  ) async throws -> Submission {
    let channel = context.channel
    let departure = try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: ConnectionWatch.self).departure
    }.get()
    let mailbox = TokenMailbox(limit: isStreamed ? coordinator.configuration.limits.bufferedTokens : .max)
    let ticket = try coordinator.admission.admit(count, slots: facts.sequences)
    return Submission(
      ticket, mailbox: mailbox, coordinator: coordinator, channel: channel, departure: departure)
  }

  /// Sends the frames of `source` as they come, and shows that the stream lives while none do.
  ///
  /// The next frames are made when the client's connection has taken the last ones; meanwhile tokens gather in the
  /// mailbox. What fails by then is told in the stream.
  func streamed(
    _ source: some FrameSource, _ submission: Submission, _ context: Context, arrival: ContinuousClock.Instant
  ) -> Response {
    let (coordinator, channel) = (coordinator, context.channel)
    let period = TimeAmount(coordinator.configuration.limits.keepAliveTime)
    let body = ResponseBody { writer in
      var source = source
      let alarm = channel.eventLoop.scheduleRepeatedTask(initialDelay: period, delay: period) { _ in
        submission.mailbox.tick()
      }
      defer {
        alarm.cancel()
        submission.end()
      }
      do {
        while let frames = try await source.next() {
          if !frames.isEmpty { try await writer.write(ByteBuffer(string: frames)) }
        }
        submission.end()
        coordinator.metrics.count { $0.wholeRequest.record((.now - arrival).inSeconds) }
        try await writer.write(ByteBuffer(string: ServerSentEvents.done))
      } catch let error as APIError {
        submission.end()
        try await writer.write(ByteBuffer(string: ServerSentEvents.failure(error)))
      }
      try await writer.finish(nil)
    }
    var response = Response(status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8"], body: body)
    response.headers[.cacheControl] = "no-cache"
    // Some proxies gather a response before they pass it on, unless told not to.
    if let name = HTTPField.Name("x-accel-buffering") { response.headers[name] = "no" }
    return response
  }
}
