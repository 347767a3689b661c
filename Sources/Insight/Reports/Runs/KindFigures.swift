import Telemetry

/// What the accounts of one kind of step say together.
package struct KindFigures: Sendable {
  package let kind: StepKind
  package let steps: Int
  package let tokens: Int
  package let seconds: Double
  /// Mean over ranks of the wall time of all steps, in nanoseconds.
  package let wall: Double
  /// Mean over ranks, in nanoseconds, by phase; and what of it was waiting for late ranks.
  package let time: [Double]
  package let late: [Double]
  /// `[waiting rank][late rank]`, nanoseconds.
  package let waits: [[Int]]
  /// `[from][to]`
  package let traffic: [[Traffic]]
  package let sameHost: Traffic
  package let otherHosts: Traffic
  /// Bytes that must travel between ranks when a token goes once to each rank it visits (of another host, to one that
  /// takes it in) and one row comes back; and between hosts when it goes once to each host.
  package let minimumBetweenRanks: Int
  package let minimumBetweenHosts: Int
  /// What the messages would have taken one after another, in nanoseconds of a mean rank; nil where no link was
  /// measured.
  package let transfer: Double?

  init(_ report: RunReport, _ kind: StepKind) {
    let ranks = report.account.ranks
    let accounts = ranks.map { $0.kinds[kind.rawValue] }
    let count = Double(max(ranks.count, 1))
    self.kind = kind
    steps = accounts.first?.steps ?? 0
    tokens = report.tokens[kind.rawValue]
    seconds = report.seconds[kind.rawValue]
    wall = accounts.reduce(0) { $0 + Double($1.wall) } / count
    time = Phase.allCases.map { phase in accounts.reduce(0) { $0 + Double($1.total(phase)) } / count }
    late = Phase.allCases.map { phase in accounts.reduce(0) { $0 + Double($1.totalLate(phase)) } / count }
    waits = accounts.map(\.lateByRank)
    traffic = accounts.map(\.sent)
    var (near, far) = (Traffic(), Traffic())
    var (betweenRanks, betweenHosts) = (0, 0)
    for (from, account) in accounts.enumerated() {
      for (to, sent) in account.sent.enumerated() where to != from {
        if ranks[from].hostLeader == ranks[to].hostLeader { near += sent } else { far += sent }
        betweenRanks += sent.dispatchRows * report.subject.rowBytes + sent.combineTokens * report.subject.sumBytes
        betweenRanks += sent.gatherPayload
      }
      // Slices go to every rank, and need to reach a host once: whoever sends them to several there, or to one of them.
      var slices: [Int: Int] = [:]
      for (to, sent) in account.sent.enumerated() where ranks[to].hostLeader != ranks[from].hostLeader {
        slices[ranks[to].hostLeader, default: 0] = max(slices[ranks[to].hostLeader] ?? 0, sent.gatherPayload)
      }
      betweenHosts += slices.values.reduce(0, +)
      for (host, rows) in account.rowsToHost.enumerated() where host != ranks[from].hostLeader {
        betweenHosts += rows * (report.subject.rowBytes + report.subject.sumBytes)
      }
    }
    (sameHost, otherHosts) = (near, far)
    transfer = Self.transfer(report, kind)
    (minimumBetweenRanks, minimumBetweenHosts) = (betweenRanks, betweenHosts)
  }

  package var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }

  /// Of the wall time; 0 where nothing was recorded.
  package func share(_ phase: Phase) -> Double { wall > 0 ? time[phase.rawValue] / wall : 0 }

  /// Waiting for ranks that had not sent yet: imbalance, not communication.
  package var waitingShare: Double { wall > 0 ? late.reduce(0, +) / wall : 0 }

  /// Packing, sending, receiving and unpacking that nothing else hid: communication proper.
  package var exposedShare: Double {
    guard wall > 0 else { return 0 }
    return Phase.allCases.filter(\.isCommunication).reduce(0) { $0 + time[$1.rawValue] - late[$1.rawValue] } / wall
  }

  /// The phases together over the wall time; 1 but for what was lost.
  package var coverage: Double { wall > 0 ? time.reduce(0, +) / wall : 1 }
}
