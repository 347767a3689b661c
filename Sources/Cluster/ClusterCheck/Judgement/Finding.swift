import JSON

/// One row of what a check found.
package struct Finding: Sendable, Equatable {
  package enum Status: String, Sendable, Comparable {
    case ok, warning, problem

    package static func < (a: Status, b: Status) -> Bool { a.order < b.order }
    private var order: Int {
      switch self {
      case .ok: 0
      case .warning: 1
      case .problem: 2
      }
    }
  }

  /// What was looked at, in a word or two.
  package var subject: String
  package var status: Status
  /// The hosts it is about; empty where it is about all.
  package var hosts: [String]
  package var words: String
  /// What to do; nil where nothing is to be done.
  package var advice: String?

  package init(_ subject: String, _ status: Status, hosts: [String] = [], _ words: String, advice: String? = nil) {
    (self.subject, self.status, self.hosts, self.words, self.advice) = (subject, status, hosts, words, advice)
  }

  package var json: JSONValue {
    [
      "subject": .string(subject), "status": .string(status.rawValue), "hosts": .array(hosts.map { .string($0) }),
      "words": .string(words), "advice": advice.map { .string($0) } ?? .null,
    ]
  }
}
