/// The latest lines a job wrote to standard error, and what they say about its end.
struct JobRemarks {
  private static let kept = 60
  private static let length = 400
  private var lines: [String] = []

  mutating func add(_ line: String) {
    if lines.count == Self.kept { lines.removeFirst() }
    lines.append(line)
  }

  /// The rank that a signal ended, as a launcher tells; else the job's own last words, else anybody's.
  var reason: String? {
    if let rank = lines.last(where: { $0.contains("process rank") && $0.contains("exited on signal") }) {
      return Self.launcher(rank)
    }
    if let own = lines.last(where: { $0.hasPrefix("martinet: ") && !$0.hasSuffix(": the job ends") }) {
      return Self.short(own.dropFirst("martinet: ".count))
    }
    return lines.last { line in line.contains { $0.isLetter } }.map { Self.short($0[...]) }
  }

  /// `mpirun noticed that process rank 1 with PID 2 on node n3 exited on signal 9 (Killed).` in our words.
  private static func launcher(_ line: String) -> String {
    func word(after text: String) -> Substring? {
      line.firstRange(of: text).map { line[$0.upperBound...].prefix { $0 != " " } }
    }
    guard let rank = word(after: "process rank "), let node = word(after: " on node "),
      let signal = line.firstRange(of: "exited on ").map({ line[$0.upperBound...] })
    else { return short(line[...]) }
    return short("rank \(rank) on host \(node) ended by \(signal.hasSuffix(".") ? signal.dropLast() : signal)"[...])
  }

  private static func short(_ text: Substring) -> String {
    text.count > length ? text.prefix(length) + "…" : String(text)
  }
}
