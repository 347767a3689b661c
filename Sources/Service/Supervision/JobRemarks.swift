import Machine

/// What a job wrote to standard error, and why it ended by that.
///
/// The ranks mark the lines that tell why they fail. Launchers print many words around theirs: what mpirun, srun and
/// ssh are known to say is looked for (`LauncherRemark`), and where none of it is found, the first paragraph of a
/// launcher's text that tells more than that the job ends, or else what a program said before, such as a script that
/// the ranks are started by.
struct JobRemarks {
  private static let kept = 200
  private static let length = 400
  private static let failureMark = EngineLink.failureMark

  private var lines: [String] = []
  /// The first is the cause, as a rule, and the others follow from it.
  private var failures: [String] = []

  mutating func add(_ line: String) {
    if lines.count == Self.kept { lines.removeFirst() }
    lines.append(line)
    if line.hasPrefix(Self.failureMark), failures.count < Self.kept {
      failures.append(String(line.dropFirst(Self.failureMark.count)))
    }
  }

  /// Whether a rank told why it fails.
  var hasFailure: Bool { !failures.isEmpty }

  /// A line as a person should see it.
  static func shown(_ line: String) -> String {
    line.hasPrefix(failureMark) ? "martinet: \(line.dropFirst(failureMark.count))" : line
  }

  /// Why the job ended, whose launcher, of this name, ended so.
  func reason(_ end: JobEnd, of launcher: String) -> String {
    // Whatever was printed then, ranks say because their launcher is gone.
    if case .signalled = end { return end.words(launcher) }
    if let killed = LauncherRemark.killedRank(in: lines) { return Self.short(killed) }
    if let failure = failures.first { return Self.short(failure) }
    if let known = LauncherRemark.cause(in: lines) { return Self.short(known) }
    let (help, others) = parts
    if let end = LauncherRemark.exitCode(in: lines) {
      // Ranks write more than reasons; what somebody else wrote is one.
      let words = others.last { line in
        !line.hasPrefix("martinet: ") && !line.hasPrefix("[") && !line.contains(": Forwarding signal ")
          && line.contains { $0.isLetter }
      }
      return Self.short(words.map { "\(end): \(Self.trimmed($0))" } ?? end)
    }
    let telling = help.first { !$0.isEmpty && !LauncherRemark.isNewsOfAnEnd($0) }
    return (telling ?? Self.lastWords(of: others)).map(Self.short) ?? end.words(launcher)
  }

  /// The first paragraph of each text between two rules of dashes, as Open MPI prints its help, and the lines outside
  /// of these.
  private var parts: (help: [String], others: [String]) {
    var (help, others): ([String], [String]) = ([], [])
    var rest = lines[...]
    while let first = rest.firstIndex(where: Self.isRule) {
      others += rest[..<first]
      let text = rest[(first + 1)...].prefix { !Self.isRule($0) }
      help.append(text.drop { Self.isBlank($0) }.prefix { !Self.isBlank($0) }.map(Self.trimmed).joined(separator: " "))
      rest = rest[text.endIndex...].dropFirst()
    }
    return (help, others + rest)
  }

  /// The last line with a word in it that is no news of a start or an end.
  private static func lastWords(of lines: [String]) -> String? {
    let words = lines.last { line in
      !line.hasSuffix(": the job ends") && line != "martinet: ready" && line.contains { $0.isLetter }
    }
    return words.map { $0.hasPrefix("martinet: ") ? String($0.dropFirst("martinet: ".count)) : $0 }
  }

  static func isRule(_ line: String) -> Bool { line.count >= 20 && line.allSatisfy { $0 == "-" } }
  static func isBlank(_ line: String) -> Bool { line.allSatisfy { $0 == " " || $0 == "\t" || $0 == "\r" } }
  static func trimmed(_ line: some StringProtocol) -> String {
    String(line.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" || $0 == "\r" }.reversed())
  }

  private static func short(_ text: String) -> String { text.count > length ? text.prefix(length) + "…" : text }
}
