import JSON

/// Reads the members of one object of a request. A member that is null counts as absent, as in the OpenAI API.
typealias RequestReader = JSONReader<APIError>

extension APIError: JSONReadingError {
  package static var takesNullForAbsent: Bool { true }

  package init(missing path: String) { self = .missing(path) }

  package init(wrongKind path: String, expected: String, found: JSONValue) {
    self = .wrongType(path, expected: expected, found: found)
  }

  package init(outOfRange path: String, expected: String, found: String) {
    self = .outOfRange(path, expected: expected, found: found)
  }
}

extension JSONReader<APIError> {
  /// The request itself.
  init(_ request: JSONValue) throws(APIError) {
    guard let object = request.object else {
      throw .invalidRequest("the body must be an object, but is \(request.kind)", code: "invalid_type")
    }
    self.init(object)
  }

  /// A string that is not empty.
  func requiredString(_ name: String) throws(APIError) -> String {
    let string = try string(needed: name)
    guard !string.isEmpty else { throw .outOfRange(path(name), expected: "a string that is not empty", found: "empty") }
    return string
  }

  /// `model`; nil where it is missing or empty, which means the model that is served.
  func modelName() throws(APIError) -> String? {
    let name = try string("model")
    return name?.isEmpty ?? true ? nil : name
  }
}
