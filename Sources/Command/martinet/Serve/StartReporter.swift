import Fabric
import Glibc
import Telemetry

/// Tells a supervisor how far this rank has come in its start, in lines on standard error.
final class StartReporter {
  /// A rank that reads tells of it so often at most.
  private static let interval = Duration.seconds(2)

  private var report: StartReport
  private var lastTold: ContinuousClock.Instant?

  /// Tells that this process runs, by what the launcher has told it: before it joins the others, which may never be.
  init() {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let rank = Launch.earlyRank
    report = StartReport(
      rank: rank, host: host, rankCount: max(Launch.current.taskCount ?? 1, rank + 1), stage: .started)
    tell()
  }

  func joined(_ communicator: any Communicator) {
    (report.rank, report.rankCount, report.host) = (communicator.rank.index, communicator.size, communicator.hostName)
    report.stage = .joined
    tell()
  }

  func loading(_ bytes: Int, of all: Int) {
    let isNew = report.stage < .loading
    (report.stage, report.bytes, report.allBytes) = (.loading, bytes, all)
    if isNew || lastTold.map({ ContinuousClock.now - $0 >= Self.interval }) ?? true { tell() }
  }

  func loaded() {
    report.stage = .loaded
    tell()
  }

  private func tell() {
    lastTold = .now
    say(report.line)
  }
}
