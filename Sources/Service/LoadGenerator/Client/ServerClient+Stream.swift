import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1

/// Which of the two ways of asking is used.
package enum Endpoint: String, Sendable, CaseIterable {
  case chat, completions

  var path: String { self == .chat ? "/v1/chat/completions" : "/v1/completions" }
}

/// What all requests of a run have in common.
package struct RequestShape: Sendable {
  package var endpoint: Endpoint
  package var model: String
  package var outputLength: Int
  /// Go on after tokens that would end the answer, so that all answers have the same length.
  package var ignoresEnd = true
  package var temperature = 0.0
  /// Seconds that a request may take.
  package var timeout = 600.0
  /// Send again, after the time it asks for, when the server is full.
  package var retries = false

  package init(endpoint: Endpoint, model: String, outputLength: Int) {
    (self.endpoint, self.model, self.outputLength) = (endpoint, model, outputLength)
  }

  func body(_ prompt: LoadPrompt) -> JSONValue {
    var body = JSONObject([
      ("model", .string(model)), ("max_tokens", .int(outputLength)), ("temperature", .double(temperature)),
      ("stream", true), ("stream_options", ["include_usage": true]),
    ])
    if ignoresEnd { body["ignore_eos"] = true }
    switch (endpoint, prompt) {
    case (_, .messages(let messages)): body["messages"] = .array(messages)
    case (.chat, .text(let text)): body["messages"] = [["role": "user", "content": .string(text)]]
    case (.completions, .text(let text)): body["prompt"] = .string(text)
    case (_, .ids(let ids)): body["prompt"] = .array(ids.map { .int(Int($0)) })
    }
    return .object(body)
  }
}

extension ServerClient {
  /// Sends one request and reads its answer to the end; whatever happens, it is told in the outcome.
  ///
  /// `epoch` is when the run started. Cancelling the task ends the request.
  func stream(_ prompt: LoadPrompt, _ shape: RequestShape, epoch: ContinuousClock.Instant) async -> RequestOutcome {
    let request = request(shape.endpoint.path, shape.body(prompt))
    let deadline = ContinuousClock.now + .seconds(shape.timeout)
    var retries = 0
    while true {
      let attempt = await attempt(request, until: deadline, epoch: epoch)
      var outcome = attempt.outcome
      outcome.retries = retries
      guard shape.retries, let wait = attempt.retryAfter, ContinuousClock.now + .seconds(wait) < deadline else {
        return outcome
      }
      retries += 1
      guard (try? await Task.sleep(for: .seconds(wait))) != nil else {
        outcome.ending = .interrupted
        return outcome
      }
    }
  }

  private struct Attempt: Sendable {
    var outcome: RequestOutcome
    /// Seconds that a full server asks to wait.
    var retryAfter: Double?
  }

  private func attempt(
    _ request: HTTPClientRequest, until deadline: ContinuousClock.Instant, epoch: ContinuousClock.Instant
  ) async -> Attempt {
    let sent = ContinuousClock.now
    var attempt = await withTaskGroup(of: Attempt?.self) { group in
      group.addTask { await self.exchange(request, sent: sent) }
      group.addTask {
        try? await Task.sleep(until: deadline, clock: .continuous)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      if let first { return first }
      // The time is up, or the whole run was cancelled; what the request had so far is kept.
      var late = (await group.next() ?? nil) ?? Attempt(outcome: RequestOutcome())
      if !late.outcome.isCompleted { late.outcome.ending = Task.isCancelled ? .interrupted : .failed("timeout") }
      late.retryAfter = nil
      return late
    }
    if Task.isCancelled, !attempt.outcome.isCompleted { attempt.outcome.ending = .interrupted }
    attempt.outcome.start = (sent - epoch) / .seconds(1)
    attempt.outcome.duration = (ContinuousClock.now - sent) / .seconds(1)
    return attempt
  }

  private func exchange(_ request: HTTPClientRequest, sent: ContinuousClock.Instant) async -> Attempt {
    var reader = AnswerReader()
    var attempt = Attempt(outcome: RequestOutcome())
    do {
      let response = try await http.execute(request, deadline: .distantFuture)
      guard response.status == .ok else {
        attempt = await refusal(response)
        return attempt
      }
      for try await bytes in response.body {
        try reader.append(bytes.readableBytesView, at: (ContinuousClock.now - sent) / .seconds(1))
      }
      try reader.finish()
      attempt.outcome.ending = .completed
    } catch let error as AnswerReader.Malformed {
      attempt.outcome.ending = .failed("malformed stream: \(error.description.prefix(160))")
    } catch {
      attempt.outcome.ending = .failed(Self.words(error))
    }
    attempt.outcome.take(reader)
    return attempt
  }

  private func refusal(_ response: HTTPClientResponse) async -> Attempt {
    var attempt = Attempt(outcome: RequestOutcome())
    let status = Int(response.status.code)
    let body = try? await response.body.collect(upTo: 64 << 10)
    let json = body.flatMap {
      try? JSONValue(parsing: $0.readableBytesView, limits: JSONLimits(byteCount: 64 << 10, depth: 32))
    }
    attempt.outcome.ending = .failed("HTTP \(status)" + (Self.message(json).map { ": \($0)" } ?? ""))
    if status == 429 {
      // In seconds; the other form, a date, is taken for one second.
      let asked = response.headers.first(name: "Retry-After").flatMap { Double($0) } ?? 1
      attempt.retryAfter = asked.isFinite ? min(max(asked, 0.05), 3600) : 1
    }
    return attempt
  }
}

extension RequestOutcome {
  fileprivate mutating func take(_ reader: AnswerReader) {
    tokenTimes = reader.textTimes
    if tokenTimes.isEmpty, let end = reader.finishTime { tokenTimes = [end] }
    hasUsage = reader.outputTokens != nil
    outputTokens = reader.outputTokens ?? reader.textTimes.count
    promptTokens = reader.promptTokens ?? 0
    cachedTokens = reader.cachedTokens ?? 0
  }
}
