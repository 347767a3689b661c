import JSON

/// Refusals that name a parameter.
extension APIError {
  /// A request that is wrong in a way the other constructors have no case for.
  package static func invalidRequest(
    _ message: String, param: String? = nil, code: String? = "invalid_value"
  ) -> APIError {
    APIError(status: 400, code: code, param: param, message: message)
  }

  package static func invalidJSON(_ error: JSONError) -> APIError {
    if case .tooLarge(_, let limit) = error { return .bodyTooLarge(limit: limit) }
    return invalidRequest("the body cannot be read: \(clipped(error.description))", code: "invalid_json")
  }

  static func missing(_ param: String) -> APIError {
    invalidRequest("'\(param)' is missing", param: param, code: "missing_required_parameter")
  }

  static func wrongType(_ param: String, expected: String, found: JSONValue) -> APIError {
    invalidRequest("'\(param)' must be \(expected), but is \(found.kind)", param: param, code: "invalid_type")
  }

  static func outOfRange(_ param: String, expected: String, found: String) -> APIError {
    invalidRequest("'\(param)' must be \(expected), but is \(clipped(found))", param: param)
  }

  static func unsupported(_ param: String, _ reason: String) -> APIError {
    invalidRequest("'\(param)' is not supported: \(reason)", param: param, code: "unsupported_parameter")
  }

  static func unknownParameter(_ param: String, suggestion: String?) -> APIError {
    let hint = suggestion.map { "; did you mean '\($0)'?" } ?? ""
    return invalidRequest(
      "there is no parameter '\(clipped(param))'\(hint)", param: clipped(param), code: "unknown_parameter")
  }
}
