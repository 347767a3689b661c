/// What is wrong with a member, for readers that say by themselves of which file it is and what to do.
package enum JSONFault: Error, Equatable {
  case missing(path: String)
  /// `found`: the kind of the value that is there.
  case wrongKind(path: String, expected: String, found: String)
  case outOfRange(path: String, expected: String, found: String)
}

extension JSONFault: JSONReadingError {
  package static var takesNullForAbsent: Bool { true }

  package init(missing path: String) { self = .missing(path: path) }

  package init(wrongKind path: String, expected: String, found: JSONValue) {
    self = .wrongKind(path: path, expected: expected, found: found.kind)
  }

  package init(outOfRange path: String, expected: String, found: String) {
    self = .outOfRange(path: path, expected: expected, found: found)
  }
}
