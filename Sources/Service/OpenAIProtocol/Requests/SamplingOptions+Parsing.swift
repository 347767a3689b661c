import EngineAPI
import JSON

extension SamplingOptions {
  /// What the request gives; the rest as in `defaults`.
  init(_ reader: RequestReader, defaults: SamplingOptions, limits: RequestLimits) throws(APIError) {
    self = defaults
    for parameter in SamplingParameter.all {
      if let value = try Self.value(of: parameter, in: reader) { self[parameter] = value }
    }
    if let isSampled = try reader.bool("do_sample") { try take(isSampled: isSampled, reader) }
    // Clients of other servers send -1 for none, which would give every one of their answers the same numbers.
    if let given = try reader.integer("seed", in: Int.min...Int.max) { seed = given == -1 ? nil : given }
    if let biases = try reader.reader("logit_bias") { logitBias = try Self.biases(biases, limits: limits) }
  }

  /// `do_sample`, which clients of Hugging Face's servers send: false is temperature 0, and true another one.
  private mutating func take(isSampled: Bool, _ reader: RequestReader) throws(APIError) {
    guard reader["temperature"] != nil else {
      if isSampled != (self[.temperature] > 0) {
        self[.temperature] = isSampled ? SamplingParameter.temperature.neutral : 0
      }
      return
    }
    let temperature = self[.temperature]
    guard isSampled == (temperature > 0) else {
      throw .invalidRequest(
        "'do_sample' is \(isSampled), but 'temperature' is \(temperature): give one of them", param: "do_sample")
    }
  }

  /// Of a count, what lies beyond the sampler's range counts as the bound it is beyond.
  private static func value(of parameter: SamplingParameter, in reader: RequestReader) throws(APIError) -> Double? {
    let asked = parameter.asked
    guard parameter.isCount else {
      return try reader.number(parameter.name, in: asked.range, excludesLower: asked.excludesLower)
    }
    let most = Int(exactly: asked.range.upperBound) ?? .max
    guard let count = try reader.integer(parameter.name, in: Int(asked.range.lowerBound)...most) else { return nil }
    return min(max(Double(count), parameter.range.lowerBound), parameter.range.upperBound)
  }

  private static func biases(_ reader: RequestReader, limits: RequestLimits) throws(APIError) -> [Int: Double] {
    guard reader.object.count <= limits.logitBiasCount else {
      throw .outOfRange(
        reader.path, expected: "an object of at most \(limits.logitBiasCount) tokens", found: "\(reader.object.count)")
    }
    var biases: [Int: Double] = [:]
    for (key, value) in reader.object.members {
      let shown = APIError.clipped(key)
      guard let id = JSONNumber(text: key).exactInt, id >= 0, id < limits.vocabularySize ?? .max else {
        let most = limits.vocabularySize.map { "from 0 to \($0 - 1)" } ?? "of at least 0"
        throw .outOfRange(
          reader.path, expected: "an object whose keys are token ids \(most)", found: "one with '\(shown)'")
      }
      let bias = try RequestReader.number(value, path: "\(reader.path).\(shown)", in: -100...100)
      guard biases.updateValue(bias, forKey: id) == nil else {
        throw .invalidRequest("'\(reader.path)' has token \(id) twice", param: "\(reader.path).\(shown)")
      }
    }
    return biases
  }
}

extension StreamOptions {
  /// Nil when the request does not stream.
  static func parse(_ reader: RequestReader) throws(APIError) -> StreamOptions? {
    let streams = try reader.bool("stream") ?? false
    var options = StreamOptions()
    if let given = try reader.reader("stream_options") {
      try RequestMembers.streamOptions.check(given)
      options.includesUsage = try given.bool("include_usage") ?? false
      options.continuesUsage = try given.bool("continuous_usage_stats") ?? false
      guard streams || options == StreamOptions() else {
        throw .invalidRequest("'stream_options' needs 'stream': true", param: "stream_options")
      }
    }
    return streams ? options : nil
  }
}

/// A greatest number of tokens; nil where the request gives none, or -1, as clients do that want as many as fit.
func tokenBound(_ reader: RequestReader, _ name: String, least: Int = 1) throws(APIError) -> Int? {
  reader[name]?.exactInt == -1 ? nil : try reader.integer(name, in: least...Int.max)
}

/// The texts at which generation stops.
func stopTexts(_ reader: RequestReader, _ name: String = "stop", limits: RequestLimits) throws(APIError) -> [String] {
  guard let value = reader[name] else { return [] }
  if let text = value.string { return [try stopText(text, path: name, limits: limits)] }
  guard let values = value.array else {
    throw .wrongType(name, expected: "a string or an array of strings", found: value)
  }
  guard values.count <= limits.stopCount else {
    throw .outOfRange(name, expected: "an array of at most \(limits.stopCount) strings", found: "\(values.count)")
  }
  var texts: [String] = []
  for (i, value) in values.enumerated() {
    guard let text = value.string else { throw .wrongType("\(name)[\(i)]", expected: "a string", found: value) }
    texts.append(try stopText(text, path: "\(name)[\(i)]", limits: limits))
  }
  return texts
}

/// The tokens at which generation stops, beside those that end every text.
func stopTokenIDs(_ reader: RequestReader, limits: RequestLimits) throws(APIError) -> [Int] {
  let values = try reader.array("stop_token_ids") ?? []
  guard values.count <= limits.stopTokenCount else {
    throw .outOfRange(
      "stop_token_ids", expected: "an array of at most \(limits.stopTokenCount) token ids", found: "\(values.count)")
  }
  var ids: [Int] = []
  for (i, value) in values.enumerated() {
    ids.append(
      try RequestReader.integer(value, path: "stop_token_ids[\(i)]", in: 0...(limits.vocabularySize ?? 1 << 31) - 1))
  }
  return ids
}

private func stopText(_ text: String, path: String, limits: RequestLimits) throws(APIError) -> String {
  guard !text.isEmpty else { throw .outOfRange(path, expected: "text that is not empty", found: "empty") }
  let count = text.utf8.count
  guard count <= limits.stopByteCount else {
    throw .outOfRange(path, expected: "text of at most \(limits.stopByteCount) bytes", found: "\(count) bytes long")
  }
  return text
}
