import JSON

/// The body of `POST /v1/embeddings`.
package struct EmbeddingRequest: Sendable, Equatable {
  package enum Input: Sendable, Equatable {
    case text(String)
    case tokens([Int])
  }

  /// How numbers are written.
  package enum Encoding: String, Sendable, CaseIterable {
    /// As JSON numbers, each in its shortest exact spelling.
    case float
    /// As their bytes, fp32 and little-endian, in base64.
    case base64
  }

  /// Nil asks for what is served.
  package var model: String?
  /// At least one.
  package var inputs: [Input]
  package var encoding: Encoding
  /// Leading numbers of each vector that are wanted; nil for all.
  package var dimensions: Int?
  /// How hidden states become a vector, by name; nil leaves it to the server.
  package var pooling: String?
  /// Vectors of length 1.
  package var normalizes: Bool
  /// The tokenizer adds what it adds around a text.
  package var addsSpecialTokens: Bool

  /// `poolings`: the names that can be asked for.
  package init(_ body: JSONValue, poolings: [String], limits: RequestLimits = RequestLimits()) throws(APIError) {
    let reader = try RequestReader(body)
    try RequestMembers.embedding.check(reader)
    model = try reader.string("model")
    inputs = try Self.inputs(reader, limits: limits)
    encoding =
      try Self.choice("encoding_format", reader, Encoding.allCases.map(\.rawValue)).flatMap { Encoding(rawValue: $0) }
      ?? .float
    dimensions = try reader.integer("dimensions", in: 1...Int.max)
    pooling = try Self.choice("pooling", reader, poolings)
    normalizes = try reader.bool("normalize") ?? true
    addsSpecialTokens = try reader.bool("add_special_tokens") ?? true
  }

  private static func choice(_ name: String, _ reader: RequestReader, _ known: [String]) throws(APIError) -> String? {
    guard let value = try reader.string(name) else { return nil }
    guard known.contains(value) else {
      throw .outOfRange(name, expected: known.map { "'\($0)'" }.joined(separator: " or "), found: "'\(value)'")
    }
    return value
  }

  private static func inputs(_ reader: RequestReader, limits: RequestLimits) throws(APIError) -> [Input] {
    let value = try reader.required("input")
    if value.string != nil { return [try input(value, path: "input", limits: limits)] }
    let expected = "a string, an array of strings, an array of token ids or an array of such arrays"
    guard let values = value.array else { throw .wrongType("input", expected: expected, found: value) }
    guard let first = values.first else { throw .outOfRange("input", expected: expected, found: "empty") }
    if first.number != nil { return [try input(value, path: "input", limits: limits)] }
    guard values.count <= limits.promptCount else {
      throw .outOfRange("input", expected: "at most \(limits.promptCount) inputs", found: "\(values.count)")
    }
    var inputs: [Input] = []
    inputs.reserveCapacity(values.count)
    for (i, value) in values.enumerated() { inputs.append(try input(value, path: "input[\(i)]", limits: limits)) }
    return inputs
  }

  private static func input(_ value: JSONValue, path: String, limits: RequestLimits) throws(APIError) -> Input {
    if let text = value.string {
      guard !text.isEmpty else { throw .outOfRange(path, expected: "a text that is not empty", found: "empty") }
      return .text(text)
    }
    guard let ids = value.array else {
      throw .wrongType(path, expected: "a string or an array of token ids", found: value)
    }
    return .tokens(try CompletionRequest.tokenIDs(ids, path: path, limits: limits))
  }
}
