import JSON

/// Why a tokenizer could not be read, or a text could not be encoded or decoded with it.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
  case unreadableFile(path: String, reason: String)
  case fileTooLarge(path: String, byteCount: Int, limit: Int)
  case malformedJSON(path: String, JSONError)
  case malformedLine(path: String, line: Int, reason: String)
  /// A member that is absent or of the wrong kind.
  case unexpectedValue(field: String, found: String, expected: String)
  case unsupported(field: String, value: String, supported: String)
  case limitExceeded(field: String, value: Int, limit: Int)
  case duplicateID(id: Int, first: String, second: String)
  case mergeNamesMissingToken(index: Int, left: String, right: String, missing: String)
  case malformedByteToken(String)
  case addedTokenConflict(token: String, id: Int, reason: String)
  case malformedPattern(field: String, reason: String, offset: Int)
  case matchingTooCostly(pattern: String, byteCount: Int, reason: String)
  case unknownTokenMissing(String)
  case unknownID(id: Int, vocabularySize: Int)

  package var description: String {
    switch self {
    case .unreadableFile(let path, let reason): "cannot read \(path): \(reason)"
    case .fileTooLarge(let path, let count, let limit):
      "\(path) has \(count) bytes, more than the limit of \(limit)"
    case .malformedJSON(let path, let error): "\(path): \(error)"
    case .malformedLine(let path, let line, let reason):
      "\(path), line \(line): \(reason); download the file again"
    case .unexpectedValue(let field, let found, let expected): "tokenizer: \(field) is \(found), not \(expected)"
    case .unsupported(let field, let value, let supported):
      "tokenizer: \(field) is \"\(value)\", which is not supported; supported: \(supported)"
    case .limitExceeded(let field, let value, let limit): "tokenizer: \(field) is \(value), over the limit of \(limit)"
    case .duplicateID(let id, let first, let second):
      "tokenizer: the tokens \"\(first)\" and \"\(second)\" share the id \(id)"
    case .mergeNamesMissingToken(let index, let left, let right, let missing):
      """
      tokenizer: merge \(index), "\(left)" + "\(right)", needs the token "\(missing)", which the vocabulary lacks
      """
    case .malformedByteToken(let token):
      "tokenizer: the byte token \"\(token)\" is not <0x00> to <0xFF> with two upper-case hexadecimal digits"
    case .addedTokenConflict(let token, let id, let reason):
      "tokenizer: the added token \"\(token)\" with id \(id) \(reason)"
    case .malformedPattern(let field, let reason, let offset):
      "tokenizer: the pattern of \(field) is unusable at character \(offset): \(reason)"
    case .matchingTooCostly(let pattern, let count, let reason):
      "splitting \(count) bytes of text with the pattern \"\(pattern)\" was stopped: \(reason)"
    case .unknownTokenMissing(let token):
      "the text needs the unknown token \"\(token)\", which the tokenizer's vocabulary lacks"
    case .unknownID(let id, let size): "there is no token with id \(id); the vocabulary has ids below \(size)"
    }
  }
}
