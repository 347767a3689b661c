/// Something that ranks have of their own and should have in common.
package struct DifferentRanks: Error, Equatable, CustomStringConvertible {
  package enum Subject: Equatable, Sendable {
    case option(String)
    /// A file of the model's folder, seen before anything large is read.
    case file(String)
    /// What was read of a tensor, in this file.
    case tensor(String, file: String)
  }

  package let subject: Subject
  /// The fewest ranks that have one value, and that value; with the host of the first of them.
  package let ranks: [Rank]
  package let host: String
  package let value: String
  /// The first rank of the most, its host and value.
  package let other: Rank
  package let otherHost: String
  package let otherValue: String

  /// `values`, `hosts`: by rank; nil for ranks that have none, which do not count. Nil where all are equal. Of equally
  /// many the lowest rank is right.
  package init?(subject: Subject, _ values: [String?], hosts: [String]) {
    var groups: [String: [Int]] = [:]
    for (rank, value) in values.enumerated() { if let value { groups[value, default: []].append(rank) } }
    guard let most = groups.values.max(by: { ($0.count, -$0[0]) < ($1.count, -$1[0]) })?[0],
      let few = groups.values.filter({ $0[0] != most }).min(by: { ($0.count, $0[0]) < ($1.count, $1[0]) })
    else { return nil }
    self.subject = subject
    ranks = few.map { Rank($0) }
    (host, value) = (hosts[few[0]], values[few[0]] ?? "")
    (other, otherHost, otherValue) = (Rank(most), hosts[most], values[most] ?? "")
  }

  package var description: String {
    let few = ranks.count == 1 ? "\(ranks[0]) (\(host))" : "\(ranks.count) ranks, first \(ranks[0]) (\(host)),"
    let most = "\(other) (\(otherHost))"
    let has = ranks.count == 1 ? "has" : "have"
    switch subject {
    case .option(let name):
      return
        """
        \(few) \(has) \(name) \(value) where \(most) has \(otherValue); start all ranks with the same program and \
        options
        """
    case .file(let name):
      return
        """
        \(few) \(has) another \(name) in the model's folder than \(most); copy the same checkpoint to every host, \
        or use a shared file system
        """
    case .tensor(let name, let file):
      return
        """
        \(few) read other bytes of tensor \(name) from \(file) than \(most) (sums \(value) and \(otherValue)); \
        copy the same checkpoint to every host, or use a shared file system
        """
    }
  }
}
