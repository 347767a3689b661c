import JSON
import Telemetry

/// A completion to read. Of long texts the beginning and the end are kept.
package struct Transcript: Sendable, Equatable {
  static let textLimit = 8192
  static let wordLimit = 1024
  private static let tokenLimit = 1 << 53

  package let step: Int
  package let prompt: String
  package let completion: String
  /// The answer that would be right, where there is one.
  package let expected: String?
  /// "right", "wrong", "no_answer" …; nil where nobody was asked.
  package let outcome: String?
  /// Whether the limit of length ended it.
  package let isCut: Bool
  package let reward: Double
  package let advantage: Double
  package let tokens: Int

  package init(
    step: Int, prompt: String, completion: String, expected: String? = nil, outcome: String? = nil, isCut: Bool = false,
    reward: Double, advantage: Double, tokens: Int
  ) {
    (self.step, self.isCut, self.reward, self.advantage) = (step, isCut, reward, advantage)
    self.tokens = min(max(tokens, 0), Self.tokenLimit - 1)
    self.prompt = Self.shortened(prompt, to: Self.textLimit)
    self.completion = Self.shortened(completion, to: Self.textLimit)
    self.expected = expected.map { Self.shortened($0, to: Self.wordLimit) }
    self.outcome = outcome.map { Self.shortened($0, to: Self.wordLimit) }
  }

  /// In Unicode scalars: what counts as one character may be of any length. What was shortened is short enough.
  private static func shortened(_ text: String, to limit: Int) -> String {
    let scalars = text.unicodeScalars
    let count = scalars.count
    guard count > limit else { return text }
    let (head, tail) = (limit / 3 * 2, limit / 4)
    return String(scalars.prefix(head)) + " […\(count - head - tail) characters left out…] "
      + String(scalars.suffix(tail))
  }

  /// Numbers that are none become null.
  package var json: JSONValue {
    var object = JSONObject([
      ("step", .int(step)), ("prompt", .string(prompt)), ("completion", .string(completion)),
      ("reward", .double(reward)), ("advantage", .double(advantage)), ("tokens", .int(tokens)), ("cut", .bool(isCut)),
    ])
    if let expected { object["expected"] = .string(expected) }
    if let outcome { object["outcome"] = .string(outcome) }
    return .object(object)
  }

  package init(json: JSONValue) throws(MalformedAccount) {
    guard let prompt = json["prompt"]?.string, let completion = json["completion"]?.string,
      let isCut = json["cut"]?.bool
    else { throw MalformedAccount(reason: "a transcript has no \"prompt\", \"completion\" or \"cut\"") }
    let step = try json.count("step", below: TrainingHistory.stepLimit)
    guard step > 0 else { throw MalformedAccount(reason: "a transcript is of no step") }
    self.init(
      step: step, prompt: prompt, completion: completion, expected: json["expected"]?.string,
      outcome: json["outcome"]?.string, isCut: isCut, reward: json["reward"]?.double ?? .nan,
      advantage: json["advantage"]?.double ?? .nan, tokens: try json.count("tokens", below: Self.tokenLimit))
  }
}
