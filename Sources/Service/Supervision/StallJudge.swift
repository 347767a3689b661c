import Telemetry

/// Finds out, from what ranks report of a step that takes long, which rank holds all of them up.
///
/// A rank whose step takes long reports it, again and again, whether it moves or not. So one that others wait for and
/// that reports nothing has been stopped; one that reports to be in one place all the time, waiting for nobody,
/// computes for ever.
struct StallJudge {
  /// How long a rank must have been in one place.
  let limit: Double
  /// A rank that computes is allowed more: it may have much to do, where one that waits only waits.
  private static let computingFactor = 3.0
  /// How long the others' reports are waited for, after the first one of a rank that does not move.
  let patience: Double
  /// Reports older than this say nothing about now.
  private var validity: Double { limit + patience }

  private var reports: [Int: (report: StallReport, at: Double)] = [:]
  private var firstStall: Double?

  init(limit: Double, patience: Double = 2) { (self.limit, self.patience) = (limit, patience) }

  mutating func add(_ report: StallReport, at time: Double) {
    reports[report.rank] = (report, time)
    if report.seconds >= limit, firstStall == nil { firstStall = time }
  }

  /// What is wrong, in words; nil while nothing is, or too little is known. `hosts` are the ranks' hosts as far as
  /// known.
  mutating func verdict(at time: Double, hosts: [Int: String]) -> String? {
    guard let firstStall, time - firstStall >= patience else { return nil }
    reports = reports.filter { time - $0.value.at <= validity }
    // What was reported some time ago has gone on since, or the next report tells.
    let stalled = reports.values.map(\.report).filter { $0.seconds >= limit }.sorted { $0.rank < $1.rank }
    guard !stalled.isEmpty else {
      self.firstStall = nil
      return nil
    }
    let awaited = Set(stalled.flatMap(\.waitingFor))
    if let silent = awaited.filter({ reports[$0] == nil }).min() {
      return silence(of: silent, stalled.filter { $0.waitingFor.contains(silent) }, hosts)
    }
    if let endless = stalled.first(where: { $0.waitingFor.isEmpty }) {
      guard endless.seconds >= limit * Self.computingFactor else { return nil }
      return
        """
        \(name(endless.rank, endless.host)) has been in \(endless.place) for \(Int(endless.seconds)) s without \
        waiting for any other
        """
    }
    // Somebody moves, and the others wait for that: slow, but alive.
    guard awaited.allSatisfy({ rank in stalled.contains { $0.rank == rank } }) else {
      self.firstStall = nil
      return nil
    }
    let waits = stalled.map { "\(name($0.rank, $0.host)) for \(list($0.waitingFor)) in \($0.place)" }
    return "ranks wait for each other: " + waits.joined(separator: "; ")
  }

  private func silence(of rank: Int, _ waiting: [StallReport], _ hosts: [Int: String]) -> String {
    let longest = waiting.max { $0.seconds < $1.seconds }
    let place = longest.map { " \(Int($0.seconds)) s in \($0.place)" } ?? ""
    let verb = waiting.count == 1 ? "has" : "have"
    return "\(name(rank, hosts[rank])) does not answer: \(list(waiting.map(\.rank))) \(verb) waited for it\(place)"
  }

  private func name(_ rank: Int, _ host: String?) -> String {
    host.map { "rank \(rank) on host \($0)" } ?? "rank \(rank)"
  }

  /// `rank 0`, `ranks 0 and 2`, `ranks 0, 1 and 2`.
  private func list(_ ranks: [Int]) -> String {
    guard ranks.count > 1, let last = ranks.last else { return "rank \(ranks.first ?? 0)" }
    return "ranks \(ranks.dropLast().map { "\($0)" }.joined(separator: ", ")) and \(last)"
  }
}
