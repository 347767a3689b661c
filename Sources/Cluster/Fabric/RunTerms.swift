import Bytes

/// What must be the same on all ranks of a run, in the words a user knows it by: `--weights` `q8`.
///
/// Ranks that differ in one would wait for messages that never come, or compute other results without a word.
package struct RunTerms: Sendable, Equatable {
  package private(set) var terms: [(name: String, value: String)] = []

  package init() {}

  package mutating func add(_ name: String, _ value: String) { terms.append((name, value)) }

  package static func == (a: RunTerms, b: RunTerms) -> Bool { a.text == b.text }

  /// A line for each.
  private var text: String { terms.map { "\(Self.plain($0.name))\t\(Self.plain($0.value))\n" }.joined() }

  private static func plain(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
  }

  /// Returns when all ranks have the same terms; otherwise all throw the first that differs. Collective, of one small
  /// reduction where nothing does. `subject`: what a name stands for.
  package func agree(
    on communicator: any Communicator, subject: (String) -> DifferentRanks.Subject = { .option($0) }
  ) throws {
    guard communicator.size > 1 else { return }
    let hash = Int64(bitPattern: FNV1a(text.utf8).value)
    let least = try communicator.allReduceMin(hash)
    guard try communicator.allReduceMax(hash) != least else { return }
    let texts = try communicator.allGather(Array("\(communicator.hostName)\n\(text)".utf8))
    let difference = Self.difference(texts.map { String(decoding: $0, as: UTF8.self) }, subject)
    try Fabric.agree(on: communicator) {
      if let difference { throw difference }
    }
  }

  /// The first term that ranks have other values of.
  private static func difference(_ texts: [String], _ subject: (String) -> DifferentRanks.Subject) -> DifferentRanks? {
    var names: [String] = []
    var hosts: [String] = []
    let values = texts.map { text in
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      hosts.append(lines.first.map(String.init) ?? "")
      var values: [String: String] = [:]
      for line in lines.dropFirst() {
        let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { continue }
        if values[parts[0]] == nil, !names.contains(parts[0]) { names.append(parts[0]) }
        values[parts[0]] = parts[1]
      }
      return values
    }
    for name in names {
      let found = values.map { $0[name] ?? "nothing" }
      if let different = DifferentRanks(subject: subject(name), found, hosts: hosts) { return different }
    }
    return nil
  }
}
