/// Why a message between an engine and who asks it was refused: the field, by its path from the message's top, and what
/// is wrong with it.
package enum EngineAPIError: Error, Equatable, CustomStringConvertible {
  case missing(field: String)
  case wrongKind(field: String, found: String, expected: String)
  /// `range` is in words.
  case outOfRange(field: String, value: String, range: String)
  case unknownName(field: String, name: String, known: [String])
  case sampling(SamplingError)

  package var description: String {
    switch self {
    case .missing(let field): "\(field) is missing"
    case .wrongKind(let field, let found, let expected): "\(field) is \(found) where \(expected) should be"
    case .outOfRange(let field, let value, let range): "\(field) is \(value), which is not \(range)"
    case .unknownName(let field, let name, let known):
      "\(field) is \"\(name)\", which is none of \(known.joined(separator: ", "))"
    case .sampling(let error): "sampling: \(error)"
    }
  }
}
