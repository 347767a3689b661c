import EngineAPI
import JSON

/// The log-probability of a token that was generated or echoed, and of the most probable ones in its place.
package struct TokenLogprob: Sendable, Equatable {
  package struct Candidate: Sendable, Equatable {
    /// The token's own bytes, which need not be whole characters.
    package var bytes: [UInt8]
    package var logprob: Double

    package init(bytes: [UInt8], logprob: Double) {
      self.bytes = bytes
      self.logprob = logprob
    }

    /// The bytes as text; what is no UTF-8 becomes U+FFFD.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  package var bytes: [UInt8]
  /// Nil for the first token of an echoed prompt, which nothing comes before.
  package var logprob: Double?
  /// Most probable first.
  package var top: [Candidate]
  /// Characters (Unicode scalars) the choice's text has more of with this token: none for a token that is not shown,
  /// or that only begins a character.
  package var width: Int

  /// `width`: where it is nil, that of the token's own text.
  package init(bytes: [UInt8], logprob: Double?, top: [Candidate] = [], width: Int? = nil) {
    (self.bytes, self.logprob, self.top) = (bytes, logprob, top)
    self.width = width ?? String(decoding: bytes, as: UTF8.self).unicodeScalars.count
  }

  /// As the engine told it; nil where it told no log-probability. `text`: the bytes of a token.
  package init?(_ sampled: SampledToken, width: Int?, text: (Int32) -> [UInt8]) {
    guard let logprob = sampled.logprob else { return nil }
    self.init(
      bytes: text(sampled.token), logprob: Double(logprob),
      top: sampled.top.map { Candidate(bytes: text($0.token), logprob: Double($0.logprob)) }, width: width)
  }

  package var text: String { String(decoding: bytes, as: UTF8.self) }

  /// What stands for a probability of zero, whose logarithm JSON cannot hold: the OpenAI API's value.
  private static let least = -9999.0

  static func json(_ logprob: Double) -> JSONValue {
    .double(logprob.isFinite ? max(logprob, least) : logprob == .infinity ? 0 : least)
  }

  /// An entry of a chat response's `logprobs.content`.
  var chatJSON: JSONValue {
    func entry(_ candidate: Candidate) -> JSONObject {
      JSONObject([
        ("token", .string(candidate.text)), ("logprob", Self.json(candidate.logprob)),
        ("bytes", .array(candidate.bytes.map { .int(Int($0)) })),
      ])
    }
    var object = entry(Candidate(bytes: bytes, logprob: logprob ?? 0))
    object["top_logprobs"] = .array(top.map { .object(entry($0)) })
    return .object(object)
  }
}

extension [TokenLogprob] {
  /// The `logprobs` of a chat's choice.
  package var chatJSON: JSONValue { ["content": .array(map(\.chatJSON)), "refusal": .null] }

  /// The `logprobs` of a text completion's choice. `textOffset`: characters (Unicode scalars) of the choice's text
  /// before the first of these tokens; what it will be for the next ones is `textOffset` + `width`.
  package func completionJSON(textOffset: Int) -> JSONValue {
    var offset = textOffset
    var offsets: [JSONValue] = []
    for token in self {
      offsets.append(.int(offset))
      offset += token.width
    }
    return [
      "tokens": .array(map { .string($0.text) }),
      "token_logprobs": .array(map { $0.logprob.map(TokenLogprob.json) ?? .null }),
      "top_logprobs": .array(map(\.topByText)), "text_offset": .array(offsets),
    ]
  }

  /// How many characters (Unicode scalars) these tokens are of their choice's text.
  package var width: Int { reduce(0) { $0 + $1.width } }
}

extension TokenLogprob {
  /// Of candidates with the same text the most probable is told. The token itself is always there, after them.
  fileprivate var topByText: JSONValue {
    guard let logprob else { return .null }
    var object = JSONObject()
    for candidate in top where object[candidate.text] == nil { object[candidate.text] = Self.json(candidate.logprob) }
    if object[text] == nil { object[text] = Self.json(logprob) }
    return .object(object)
  }
}
