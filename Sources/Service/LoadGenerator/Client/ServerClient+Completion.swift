import AsyncHTTPClient
import JSON
import NIOCore
import NIOHTTP1

extension ServerClient {
  /// Most bytes of an answer that is not streamed.
  private static let answerLimit = 64 << 20

  /// An answer, head and body.
  struct WholeAnswer: Sendable {
    var status: Int
    /// Seconds that a full server asks to wait; the other form, a date, is taken for one second.
    var retryAfter: Double
    /// nil where the body is no JSON.
    var json: JSONValue?
  }

  /// Sends one request and reads its answer to the end, which both may take `seconds` together: the client's own limit
  /// is of the head, and a body may trickle for ever.
  func whole(_ request: HTTPClientRequest, seconds: Double) async throws(LoadError) -> WholeAnswer {
    do {
      return try await withThrowingTaskGroup(of: WholeAnswer.self) { group in
        group.addTask {
          let response = try await self.http.execute(request, deadline: .distantFuture)
          let bytes = try await response.body.collect(upTo: Self.answerLimit)
          let wait = response.headers.first(name: "Retry-After").flatMap { Double($0) } ?? 1
          return WholeAnswer(
            status: Int(response.status.code), retryAfter: wait.isFinite ? min(max(wait, 0.05), 3600) : 1,
            json: try? JSONValue(parsing: bytes.readableBytesView))
        }
        group.addTask {
          try await Task.sleep(for: .seconds(min(max(seconds, 0.001), 1e9)))
          throw HTTPClientError.deadlineExceeded
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
      }
    } catch is NIOTooManyBytesError {
      throw .malformedReply(
        what: "a request to \(request.url.dropFirst(url.count))", reason: "it has more than \(Self.answerLimit) bytes")
    } catch { throw .unreachable(url: url, reason: Self.words(error)) }
  }

  /// Sends one request and returns its whole answer. A server that is full is asked again, after the time that it asks
  /// for, until `timeout` seconds have passed.
  ///
  /// `path`: `/v1/completions` or another. Cancelling the task ends the request.
  package func answer(_ path: String, _ body: JSONValue, timeout: Double) async throws(LoadError) -> JSONValue {
    let what = "a request to \(path)"
    let deadline = ContinuousClock.now + .seconds(timeout)
    while true {
      let reply = try await whole(request(path, body), seconds: (deadline - .now) / .seconds(1))
      if reply.status == 429, ContinuousClock.now + .seconds(reply.retryAfter) < deadline {
        guard (try? await Task.sleep(for: .seconds(reply.retryAfter))) != nil else {
          throw .unreachable(url: url, reason: Self.words(CancellationError()))
        }
        continue
      }
      guard reply.status == 200 else {
        throw .refused(what: what, status: reply.status, message: Self.message(reply.json) ?? "no reason given")
      }
      guard let json = reply.json else { throw .malformedReply(what: what, reason: "it is not JSON") }
      return json
    }
  }
}
