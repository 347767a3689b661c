import Telemetry

/// Follows a job's start, and finds out when it has got stuck and which ranks it waits for.
///
/// A start may take as long as it likes while something moves: a rank that comes to its next stage or has read more of
/// its part.
struct StartJudge {
  /// How long nothing may move; in seconds, as all times here.
  let limit: Double
  /// After so long without a move, a person who asks would like to know why; later, one who only reads the log.
  private static let troubleTime = 5.0
  private static let remarkTime = 10.0
  /// Ranks named in one sentence.
  private static let namedRanks = 8

  private var reports: [Int: StartReport] = [:]
  private var rankCount = 0
  private var lastMove: Double
  private var hasAnswered = false
  private var loadedBytes = 0
  private var hasRemarked = false

  /// `time` is when the launcher was started.
  init(limit: Double, at time: Double) { (self.limit, lastMove) = (limit, time) }

  mutating func add(_ report: StartReport, at time: Double) {
    let before = reports[report.rank]
    guard before.map({ report.stage > $0.stage || report.stage == $0.stage && report.bytes > $0.bytes }) ?? true else {
      return
    }
    reports[report.rank] = report
    rankCount = max(rankCount, report.rankCount)
    move(at: time)
  }

  /// Rank 0 has told over the link how much it has read.
  mutating func addState(loadedBytes bytes: Int, at time: Double) {
    if !hasAnswered || bytes > loadedBytes { move(at: time) }
    (hasAnswered, loadedBytes) = (true, max(bytes, loadedBytes))
  }

  /// This process could not watch for so long.
  mutating func forgive(_ seconds: Double) { lastMove += seconds }

  private mutating func move(at time: Double) { (lastMove, hasRemarked) = (time, false) }

  /// What is waited for, once after some time without a move.
  mutating func remark(at time: Double) -> String? {
    guard !hasRemarked, time - lastMove >= Self.remarkTime, limit > Self.remarkTime else { return nil }
    hasRemarked = true
    return "the job is still starting: " + whatIsMissing(for: time - lastMove)
  }

  /// What is waited for; nil while things move.
  func trouble(at time: Double) -> String? {
    time - lastMove >= Self.troubleTime ? whatIsMissing(for: time - lastMove) : nil
  }

  /// Why the start is taken to be stuck; nil while it is not.
  func verdict(at time: Double) -> String? {
    guard time - lastMove >= limit else { return nil }
    return "the job did not start: " + whatIsMissing(for: time - lastMove)
  }

  private func whatIsMissing(for seconds: Double) -> String {
    let time = "\(Int(seconds)) s"
    guard rankCount > 0 else {
      return hasAnswered
        ? "rank 0 answers, but nothing has moved for \(time)"
        : "nothing has been heard of any rank for \(time): the launcher has started none"
    }
    let missing = (0..<rankCount).filter { reports[$0] == nil }
    if !missing.isEmpty {
      let there = reports.values.sorted { $0.rank < $1.rank }.map { "\($0.rank) on host \($0.host)" }
      return
        """
        \(Self.list(missing.map { "\($0)" })) of \(rankCount) \(missing.count == 1 ? "has" : "have") not come up \
        in \(time), only \(Self.list(there))
        """
    }
    func those(_ stage: StartReport.Stage) -> [StartReport] {
      reports.values.filter { $0.stage == stage }.sorted { $0.rank < $1.rank }
    }
    func names(_ reports: [StartReport]) -> String { Self.list(reports.map { "\($0.rank) on host \($0.host)" }) }
    let apart = those(.started)
    if !apart.isEmpty {
      return "\(names(apart)) cannot connect with the other ranks, for \(time): look at the network between the hosts"
    }
    let reading = those(.loading)
    if !reading.isEmpty {
      let parts = reading.map { "\($0.rank) on host \($0.host) (\(Self.percent($0)) %)" }
      return "\(Self.list(parts)) \(reading.count == 1 ? "has" : "have") read nothing more of the model for \(time)"
    }
    let joined = those(.joined)
    if !joined.isEmpty { return "\(names(joined)) \(joined.count == 1 ? "has" : "have") not begun to load for \(time)" }
    return "all ranks have loaded, but rank 0 has not been ready for \(time)"
  }

  private static func percent(_ report: StartReport) -> Int {
    report.allBytes > 0 ? Int(min(1, Double(report.bytes) / Double(report.allBytes)) * 100) : 0
  }

  /// `rank 0`, `ranks 0 and 2`, `ranks 0, 1, … and 12 more`.
  private static func list(_ names: [String]) -> String {
    guard names.count > 1 else { return "rank \(names.first ?? "0")" }
    if names.count > namedRanks {
      return "ranks \(names.prefix(namedRanks).joined(separator: ", ")) and \(names.count - namedRanks) more"
    }
    return "ranks \(names.dropLast().joined(separator: ", ")) and \(names[names.count - 1])"
  }
}
