import JSON

/// Reads the members of one object of a request; errors name a member by its whole path.
///
/// A member that is null counts as absent, as in the OpenAI API.
struct RequestReader {
  let object: JSONObject
  /// Empty for the request itself, otherwise such as `messages[2]`.
  let path: String

  /// The request itself.
  init(_ request: JSONValue) throws(APIError) {
    guard let object = request.object else {
      throw .invalidRequest("the body must be an object, but is \(request.kind)", code: "invalid_type")
    }
    self.object = object
    path = ""
  }

  init(_ value: JSONValue, path: String) throws(APIError) {
    guard let object = value.object else { throw .wrongType(path, expected: "an object", found: value) }
    self.object = object
    self.path = path
  }

  func path(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  subscript(name: String) -> JSONValue? {
    guard let value = object[name], !value.isNull else { return nil }
    return value
  }

  func required(_ name: String) throws(APIError) -> JSONValue {
    guard let value = self[name] else { throw .missing(path(name)) }
    return value
  }

  func string(_ name: String) throws(APIError) -> String? {
    guard let value = self[name] else { return nil }
    guard let string = value.string else { throw .wrongType(path(name), expected: "a string", found: value) }
    return string
  }

  func requiredString(_ name: String) throws(APIError) -> String {
    guard let string = try string(name) else { throw .missing(path(name)) }
    guard !string.isEmpty else { throw .outOfRange(path(name), expected: "a string that is not empty", found: "empty") }
    return string
  }

  /// `model`; nil where it is missing or empty, which means the model that is served.
  func modelName() throws(APIError) -> String? {
    let name = try string("model")
    return name?.isEmpty ?? true ? nil : name
  }

  func bool(_ name: String) throws(APIError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let bool = value.bool else { throw .wrongType(path(name), expected: "a boolean", found: value) }
    return bool
  }

  func array(_ name: String) throws(APIError) -> [JSONValue]? {
    guard let value = self[name] else { return nil }
    guard let array = value.array else { throw .wrongType(path(name), expected: "an array", found: value) }
    return array
  }

  func reader(_ name: String) throws(APIError) -> RequestReader? {
    guard let value = self[name] else { return nil }
    return try RequestReader(value, path: path(name))
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = self[name] else { return nil }
    return try Self.integer(value, path: path(name), in: range)
  }

  static func integer(_ value: JSONValue, path: String, in range: ClosedRange<Int>) throws(APIError) -> Int {
    guard let number = value.number else { throw .wrongType(path, expected: "an integer", found: value) }
    guard let integer = number.exactInt, range.contains(integer) else {
      let bounds =
        range.upperBound == .max
        ? range.lowerBound == .min ? "an integer of 64 bits" : "an integer of at least \(range.lowerBound)"
        : "an integer from \(range.lowerBound) to \(range.upperBound)"
      throw .outOfRange(path, expected: bounds, found: number.text)
    }
    return integer
  }

  /// `excludesLower`: `range.lowerBound` itself is refused.
  func number(
    _ name: String, in range: ClosedRange<Double>, excludesLower: Bool = false
  ) throws(APIError) -> Double? {
    guard let value = self[name] else { return nil }
    return try Self.number(value, path: path(name), in: range, excludesLower: excludesLower)
  }

  static func number(
    _ value: JSONValue, path: String, in range: ClosedRange<Double>, excludesLower: Bool = false
  ) throws(APIError) -> Double {
    guard let number = value.number else { throw .wrongType(path, expected: "a number", found: value) }
    let double = number.double
    guard range.contains(double), !(excludesLower && double == range.lowerBound) else {
      let from = excludesLower ? "more than \(range.lowerBound) and at most" : "from \(range.lowerBound) to"
      throw .outOfRange(path, expected: "a number \(from) \(range.upperBound)", found: number.text)
    }
    return double
  }
}
