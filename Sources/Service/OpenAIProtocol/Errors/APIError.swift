import JSON

/// A refusal or failure as the OpenAI API tells it: an HTTP status, and a body with what is wrong and where.
package struct APIError: Error, Sendable, Equatable, CustomStringConvertible {
  package var status: Int
  package var type: String
  package var code: String?
  /// The path of the parameter at fault, such as `messages[2].content`.
  package var param: String?
  package var message: String
  /// Seconds after which to try again: the `Retry-After` header.
  package var retryAfter: Int?

  package init(
    status: Int, type: String = "invalid_request_error", code: String? = nil, param: String? = nil, message: String,
    retryAfter: Int? = nil
  ) {
    (self.status, self.type, self.code) = (status, type, code)
    (self.param, self.message, self.retryAfter) = (param, message, retryAfter)
  }

  /// `{"error": {…}}`: the body of a response, and a frame in a stream that fails.
  package var json: JSONValue {
    [
      "error": [
        "message": .string(message), "type": .string(type), "param": param.map { .string($0) } ?? .null,
        "code": code.map { .string($0) } ?? .null,
      ]
    ]
  }

  package var description: String { message }
}
