import Telemetry

@testable import Reports

/// One rank's account of one decode step of 100 ms in one layer, its phases in milliseconds; alone on its host.
func decodeAccount(
  rank: Int, ranks: Int, milliseconds: [Phase: Double], visits: Int = 0, sent: Traffic = Traffic()
) -> RankAccount {
  var counts = RankAccount.Kind()
  (counts.steps, counts.wall) = (1, 100_000_000)
  counts.time = Array(repeating: Array(repeating: 0, count: Phase.allCases.count), count: 2)
  counts.late = counts.time
  for (phase, time) in milliseconds { counts.time[0][phase.rawValue] = Int(time * 1e6) }
  counts.lateByRank = Array(repeating: 0, count: ranks)
  counts.rowsToHost = counts.lateByRank
  counts.sent = (0..<ranks).map { $0 == rank ? Traffic() : sent }
  (counts.visits, counts.distinctExperts, counts.experts) = (
    [visits], [min(visits, 1)], [visits > 0 ? [[0, visits]] : []]
  )
  var account = RankAccount()
  (account.rank, account.hostLeader, account.threads) = (rank, rank, 1)
  account.kinds[StepKind.decode.rawValue] = counts
  return account
}

func decodeReport(_ ranks: [RankAccount], tokens: Int) -> RunReport {
  RunReport(
    subject: RunSubject(), account: AccountOfRun(ranks: ranks, balances: StepKind.allCases.map { _ in [] }),
    tokens: [0, tokens], seconds: [0, 0.1])
}
