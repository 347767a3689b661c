import AsyncHTTPClient
import JSON
import NIOCore

extension ServerClient {
  /// Most bytes of an answer that is not streamed.
  private static let answerLimit = 64 << 20

  /// Sends one request and returns its whole answer. A server that is full is asked again, after the time that it asks
  /// for, until `timeout` seconds have passed.
  ///
  /// `path`: `/v1/completions` or another. Cancelling the task ends the request.
  package func answer(_ path: String, _ body: JSONValue, timeout: Double) async throws(LoadError) -> JSONValue {
    let what = "a request to \(path)"
    let deadline = ContinuousClock.now + .seconds(timeout)
    while true {
      let left = max((deadline - .now) / .seconds(1), 0.001)
      let reply: (status: Int, retryAfter: Double, json: JSONValue?)
      do {
        let response = try await http.execute(request(path, body), timeout: .milliseconds(Int64(min(left, 1e9) * 1000)))
        let bytes = try await response.body.collect(upTo: Self.answerLimit)
        let wait = response.headers.first(name: "Retry-After").flatMap { Double($0) } ?? 1
        reply = (
          Int(response.status.code), wait.isFinite ? min(max(wait, 0.05), 3600) : 1,
          try? JSONValue(parsing: bytes.readableBytesView)
        )
      } catch { throw .unreachable(url: url, reason: Self.words(error)) }
      if reply.status == 429, ContinuousClock.now + .seconds(reply.retryAfter) < deadline {
        guard (try? await Task.sleep(for: .seconds(reply.retryAfter))) != nil else {
          throw .unreachable(url: url, reason: "the request was given up")
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
