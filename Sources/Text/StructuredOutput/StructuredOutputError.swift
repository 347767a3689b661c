/// Why no output can be held to a grammar. Pointers are JSON Pointers into the schema ("#/properties/age").
package enum StructuredOutputError: Error, Equatable, CustomStringConvertible {
  /// A keyword, or a value of one, that would have to be ignored.
  case unsupported(keyword: String, pointer: String, reason: String)
  /// A keyword whose value JSON Schema does not allow.
  case malformed(keyword: String, pointer: String, expected: String)
  /// No value meets all that is demanded there.
  case contradictory(pointer: String, reason: String)
  case unresolvedReference(String, pointer: String)
  case malformedPattern(String, pointer: String, reason: String, offset: Int)
  case tooLarge(what: String, pointer: String, limit: Int)
  /// An `OutputGrammar` that is not a grammar: a choice of nothing, counts that contradict each other.
  case malformedGrammar(path: String, reason: String)
  /// The tokens do not suffice to write any output.
  case vocabulary(reason: String)

  package var description: String {
    switch self {
    case .unsupported(let keyword, let pointer, let reason):
      "schema: \"\(keyword)\" at \(pointer) is not supported: \(reason)"
    case .malformed(let keyword, let pointer, let expected):
      "schema: \"\(keyword)\" at \(pointer) must be \(expected)"
    case .contradictory(let pointer, let reason): "schema: nothing can satisfy \(pointer): \(reason)"
    case .unresolvedReference(let reference, let pointer):
      "schema: the reference \"\(reference)\" at \(pointer) leads nowhere in this schema"
    case .malformedPattern(let pattern, let pointer, let reason, let offset):
      "schema: the pattern \"\(pattern)\" at \(pointer) is unusable at character \(offset): \(reason)"
    case .tooLarge(let what, let pointer, let limit):
      "schema: \(what) at \(pointer) is over the limit of \(limit); use a simpler schema"
    case .malformedGrammar(let path, let reason): "output grammar: \(path) \(reason)"
    case .vocabulary(let reason): "the model's vocabulary cannot write such output: \(reason)"
    }
  }
}
