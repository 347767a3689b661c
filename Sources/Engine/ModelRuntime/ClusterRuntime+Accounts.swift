import Fabric
import JSON
import Kernels
import Machine
import Telemetry

extension ClusterRuntime {
  /// The most that one rank may report at once.
  package static let reportLimit = 1 << 30

  /// What this rank has counted; without single spans and messages where `totalsOnly`.
  package func account(_ telemetry: RankTelemetry, totalsOnly: Bool = false) -> RankAccount {
    var account = RankAccount(telemetry)
    account.rank = communicator.rank.index
    account.host = communicator.hostName
    account.hostLeader = clocks.hostOfRank[account.rank]
    account.threads = compute.workerCount
    account.processor = host.topology.cpuModel
    account.sharesCores = host.assignment.oversubscribed
    let clock = clocks.estimates[account.rank]
    (account.clockOffset, account.clockError, account.clockDrift) = (clock.offset, clock.error, clock.drift * 1e6)
    if totalsOnly { (account.spans, account.messages) = ([], []) }
    return account
  }

  /// This rank's part in `collectAccounts`: the accounts of all ranks on rank 0, which opens its inbox for them, and
  /// nothing elsewhere.
  package func exchangeAccounts(_ telemetry: RankTelemetry, totalsOnly: Bool) throws -> [RankAccount] {
    let own = account(telemetry, totalsOnly: totalsOnly)
    guard communicator.isRoot else {
      try reports.send(Array(own.json.text().utf8))
      return []
    }
    try reports.open()
    var accounts = [own]
    for rank in 1..<communicator.size {
      let bytes = try reports.receive(from: Rank(rank), limit: Self.reportLimit)
      do {
        let account = try RankAccount(
          json: try JSONValue(parsing: bytes), layerCount: telemetry.recorder.layerCount, rankCount: communicator.size)
        guard account.rank == rank else { throw MalformedAccount(reason: "it is of rank \(account.rank)") }
        accounts.append(account)
      } catch { throw RuntimeError.malformedAccount(Rank(rank), "\(error)") }
    }
    return accounts
  }
}
