import JSON

/// What a reply must look like that calls functions, in parts a grammar can be made of:
/// `open` alternative (`separator` alternative)* `close`.
///
/// An alternative is its `prefix`, JSON that follows its `schema`, and its `suffix`. All of it comes after the
/// reasoning, if there is any. `open`, `prefix`, `suffix`, `separator` and `close` may be special tokens' text.
package struct ForcedCall: Sendable, Equatable {
  package struct Alternative: Sendable, Equatable {
    package var toolName: String
    package var prefix: String
    package var schema: JSONValue
    package var isStrict: Bool
    package var suffix: String
  }

  package struct Envelope: Sendable, Equatable {
    package var open: String
    package var separator: String
    package var close: String
  }

  package var alternatives: [Alternative]
  package var envelope: Envelope
  /// False where the format has one call in a reply.
  package var allowsSeveral: Bool
}
