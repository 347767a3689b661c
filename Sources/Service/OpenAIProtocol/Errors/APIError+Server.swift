/// Refusals and failures that concern the whole request.
extension APIError {
  package static func unknownModel(_ name: String, served: [String]) -> APIError {
    let offer = served.isEmpty ? "no model is served" : "served: \(served.map { "'\($0)'" }.joined(separator: ", "))"
    return APIError(
      status: 404, code: "model_not_found", param: "model", message: "there is no model '\(clipped(name))'; \(offer)")
  }

  /// An endpoint of the OpenAI API that is not offered here, or no endpoint at all.
  package static func unsupportedEndpoint(_ path: String) -> APIError {
    let path = clipped(path)
    if path.hasPrefix("/v1/responses/") {
      return APIError(
        status: 404, code: "response_not_found",
        message: "no response is kept on this server: POST /v1/responses with all that was said before")
    }
    let message =
      unservedEndpoints.first { path == $0 || path.hasPrefix($0 + "/") }.map {
        "\($0) is not offered: this server generates text, by /v1/chat/completions, /v1/completions, "
          + "/v1/responses and /v1/messages"
      } ?? "there is no endpoint \(path)"
    return APIError(status: 404, code: "unsupported_endpoint", message: message)
  }

  private static let unservedEndpoints = [
    "/v1/assistants", "/v1/threads", "/v1/images", "/v1/audio", "/v1/files",
    "/v1/fine_tuning", "/v1/batches", "/v1/moderations", "/v1/vector_stores", "/v1/realtime", "/v1/uploads",
    "/v1/edits", "/v1/conversations", "/v1/videos", "/v1/containers", "/v1/evals", "/v1/organization",
    "/v1/messages/batches",
  ]

  /// `allowed`: such as `["GET", "POST"]`.
  package static func methodNotAllowed(_ method: String, path: String, allowed: [String]) -> APIError {
    APIError(
      status: 405, code: "method_not_allowed",
      message: "\(clipped(path)) takes \(allowed.joined(separator: " or ")), not \(clipped(method))")
  }

  /// A body that is packed in some way; `status`: the HTTP status that says so.
  package static func unsupportedCoding(_ coding: String, of header: String, status: Int) -> APIError {
    APIError(
      status: status, code: "unsupported_encoding",
      message: "bodies of '\(clipped(header)): \(clipped(coding))' are not read: send them as they are")
  }

  package static let invalidKey = APIError(
    status: 401, code: "invalid_api_key",
    message: "a valid API key is needed: send the header 'Authorization: Bearer KEY'")

  /// A request to a name under which this server does not want to be reached.
  package static func hostNotAllowed(_ name: String) -> APIError {
    APIError(
      status: 403, type: "permission_error", code: "host_not_allowed",
      message: "this server is not to be reached as '\(clipped(name))': use its address, or start it with "
        + "--allowed-host \(clipped(name))")
  }

  /// A request of a page of another site; nil for one that does not say which.
  package static func originNotAllowed(_ origin: String?) -> APIError {
    let origin = origin.map { clipped($0) }
    return APIError(
      status: 403, type: "permission_error", code: "origin_not_allowed",
      message: "pages of \(origin.map { "'\($0)'" } ?? "other sites") may not use this server; start it with "
        + "--allowed-origin \(origin ?? "ORIGIN") to let them")
  }

  /// Lengths are in tokens. `modelLength`: what the model itself could hold, where the server's cache holds less.
  package static func promptTooLong(
    promptTokens: Int, contextLength: Int, modelLength: Int? = nil, param: String = "messages", generates: Bool = true
  ) -> APIError {
    APIError(
      status: 400, code: "context_length_exceeded", param: param,
      message: "the prompt has \(promptTokens) tokens, but \(holder(contextLength, modelLength))"
        + (generates ? ", and one more must be generated" : "") + ": shorten the prompt"
        + remedy(contextLength, modelLength))
  }

  /// A prompt that fits, with an output that does not; lengths in tokens, as above.
  package static func outputTooLong(promptTokens: Int, maxTokens: Int, contextLength: Int, modelLength: Int? = nil)
    -> APIError
  {
    APIError(
      status: 400, code: "context_length_exceeded", param: "max_tokens",
      message: "the prompt has \(promptTokens) tokens and 'max_tokens' asks for \(maxTokens) more, "
        + "but \(holder(contextLength, modelLength)): lower 'max_tokens' or shorten the prompt"
        + remedy(contextLength, modelLength))
  }

  private static func holder(_ contextLength: Int, _ modelLength: Int?) -> String {
    guard let modelLength, modelLength > contextLength else { return "this model's context holds \(contextLength)" }
    return "this server's cache holds \(contextLength)"
  }

  private static func remedy(_ contextLength: Int, _ modelLength: Int?) -> String {
    guard let modelLength, modelLength > contextLength else { return "" }
    return "; the model can hold \(modelLength), where the server is started with a larger --kv-cache-tokens"
  }

  /// 429: `limit` requests wait already; it may be tried again in `retryAfter` seconds.
  package static func queueFull(limit: Int, retryAfter: Int) -> APIError {
    APIError(
      status: 429, type: "rate_limit_error", code: "queue_full",
      message: "all \(limit) places of the queue are taken: try again in \(retryAfter) s", retryAfter: retryAfter)
  }

  /// 503: the model is being loaded; it may be tried again in `retryAfter` seconds.
  package static func loading(retryAfter: Int) -> APIError {
    APIError(
      status: 503, type: "server_error", code: "model_loading",
      message: "the model is still being loaded: try again in \(retryAfter) s", retryAfter: retryAfter)
  }

  /// 503: the model has been away for `seconds`, so long that a request had better come again in `retryAfter` seconds.
  package static func restarting(_ reason: String, seconds: Int, retryAfter: Int) -> APIError {
    APIError(
      status: 503, type: "server_error", code: "engine_restarting",
      message:
        """
        the model has not been served for \(seconds) s and is being started again (\(reason)): try again in \
        \(retryAfter) s
        """,
      retryAfter: retryAfter)
  }

  /// Experts cannot change places in this job.
  package static func expertsStay(ranks: Int, experts: Int) -> APIError {
    APIError(
      status: 409, code: "experts_stay",
      message: experts == 0
        ? "the model is dense and has no experts to move"
        : ranks < 2
          ? "one rank has all experts"
          : "no rank has room to move experts in: start the server with --rebalance on, or auto")
  }

  /// The server no longer takes requests.
  package static let stopping = APIError(
    status: 503, type: "server_error", code: "server_stopping", message: "the server is stopping")

  /// 413: a body of more than `limit` bytes.
  package static func bodyTooLarge(limit: Int) -> APIError {
    APIError(
      status: 413, code: "body_too_large", message: "the request's body is larger than the limit of \(limit) bytes")
  }

  /// 408: a request that has not come in `seconds`.
  package static func timeout(seconds: Int) -> APIError {
    APIError(
      status: 408, type: "timeout_error", code: "request_timeout",
      message: "the request took longer than the limit of \(seconds) s")
  }

  /// A failure of the server's own; `message` must hold nothing that a client should not see.
  package static func internalFailure(_ message: String = "the server failed to answer") -> APIError {
    APIError(status: 500, type: "server_error", code: "internal_error", message: message)
  }

  /// A client's text cut to what an error message can hold.
  static func clipped(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: 100, limitedBy: scalars.endIndex),
      end != scalars.endIndex
    else { return text }
    return String(scalars[..<end]) + "…"
  }
}
