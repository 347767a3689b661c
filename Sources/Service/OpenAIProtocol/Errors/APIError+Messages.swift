import JSON

/// Errors in the Anthropic API's form.
extension APIError {
  /// `{"type": "error", "error": {…}}`. `requestID`: nil in a stream, whose headers have it.
  package func messagesJSON(requestID: String? = nil) -> JSONValue {
    var object = JSONObject([
      ("type", "error"),
      ("error", ["type": .string(messagesType), "message": .string(messagesText)]),
    ])
    object["request_id"] = requestID.map { .string($0) }
    return .object(object)
  }

  private var messagesType: String {
    switch status {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 408: "timeout_error"
    case 413: "request_too_large"
    case 429: "rate_limit_error"
    case 503: "overloaded_error"
    case 500...: "api_error"
    default: "invalid_request_error"
    }
  }

  /// Clients of this API look for these words before they shorten a conversation.
  private var messagesText: String { code == "context_length_exceeded" ? "prompt is too long: " + message : message }
}
