import EngineAPI
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import OpenAIProtocol

/// The endpoints that generate text, all in one way.
extension Responder {
  /// Answers a request of the kind `Call`.
  func generate<Call: GenerationCall>(_: Call.Type, _ request: Request, _ context: Context) async throws -> Response {
    let arrival = ContinuousClock.now
    let facts = try servingFacts()
    try server.admission.check(slots: facts.sequences)
    let defaults = server.configuration.sampling
    let call = try await body(of: request) { try Call($0, limits: $1, defaults: defaults) }
    try checkModel(call.model)
    let submission = try await admit(call.sequenceCount, isStreamed: call.isStreamed, facts: facts, context)
    do {
      let (text, contextLength) = (server.text, server.contextLength ?? facts.maximumPositions)
      let plan = try await server.pool.run {
        let plan = try call.plan(text: text, facts: facts, contextLength: contextLength)
        let sequences = try plan.tokenRequests(ids: submission.ids)
        if !sequences.isEmpty { submission.submit(sequences) }
        return plan
      }
      let scene = AnswerScene(
        identifiers: server.identifiers, created: Int(Date().timeIntervalSince1970),
        model: call.model ?? server.configuration.modelNames[0])
      var generation = Generation(
        feed: TokenFeed(
          submission, promptTokens: plan.promptTokenCounts, metrics: server.metrics, arrival: arrival),
        choices: plan.promptTokenCounts.indices.map {
          plan.choice($0, text: text, identifiers: server.identifiers)
        }, writer: call.writer(plan, scene))
      if call.isStreamed { return streamed(generation, submission, context, arrival: arrival) }
      let json = try await generation.whole()
      submission.end()
      server.metrics.count { $0.wholeRequest.record((.now - arrival).inSeconds) }
      return .json(json)
    } catch {
      submission.end()
      throw error
    }
  }

  /// Takes places for `count` sequences; they are given back when the submission ends.
  ///
  /// Only a client that is sent its answer as it comes can be behind.
  func admit(_ count: Int, isStreamed: Bool, facts: EngineFacts, _ context: Context) async throws -> Submission {
    let channel = context.channel
    let departure = try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: ConnectionWatch.self).departure
    }.get()
    let mailbox = TokenMailbox(limit: isStreamed ? server.configuration.limits.bufferedTokens : .max)
    let ticket = try server.admission.admit(count, slots: facts.sequences)
    return Submission(ticket, mailbox: mailbox, server: server, channel: channel, departure: departure)
  }

  /// Sends the frames of `generation` as they come, and shows that the stream lives while none do.
  ///
  /// The next frames are made when the client's connection has taken the last ones; meanwhile tokens gather in the
  /// mailbox. What fails by then is told in the stream.
  private func streamed<Writer: AnswerWriter>(
    _ generation: Generation<Writer>, _ submission: Submission, _ context: Context, arrival: ContinuousClock.Instant
  ) -> Response {
    let (server, channel) = (server, context.channel)
    let period = TimeAmount(server.configuration.limits.keepAliveTime)
    let body = ResponseBody { writer in
      var generation = generation
      let alarm = channel.eventLoop.scheduleRepeatedTask(initialDelay: period, delay: period) { _ in
        submission.mailbox.tick()
      }
      defer {
        alarm.cancel()
        submission.end()
      }
      do {
        var isLast = false
        while !isLast {
          let next = try await generation.next()
          isLast = next.isLast
          if isLast {
            submission.end()
            server.metrics.count { $0.wholeRequest.record((.now - arrival).inSeconds) }
            // The connection has all that came before by then, and knows whether it is full: the last frames wait for
            // room, too, so that a client that takes nothing does not count as answered.
            try await channel.eventLoop.submit {}.get()
          }
          if !next.frames.isEmpty { try await writer.write(ByteBuffer(string: next.frames)) }
        }
      } catch let error as APIError {
        submission.end()
        try await writer.write(ByteBuffer(string: generation.failure(error)))
      }
      try await writer.finish(nil)
    }
    var response = Response(status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8"], body: body)
    response.headers[.cacheControl] = "no-cache"
    // Some proxies gather a response before they pass it on, unless told not to.
    response.headers[.known("x-accel-buffering")] = "no"
    return response
  }
}
