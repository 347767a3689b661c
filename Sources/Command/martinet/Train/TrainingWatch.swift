import DistributedTraining
import Fabric
import JSON
import Reports
import Training

/// Keeps the account of a training under way, and tells on rank 0 how long it has still to go and what it costs.
struct TrainingWatch {
  /// How far a training has come, in words: time left, and cost so far and to come, where a node's price or power is
  /// known.
  struct Progress {
    var left = ""
    var cost = ""
  }

  private(set) var account: TrainingAccount
  private let rates: TrainingCost.Rates
  private let json: Bool
  private let isRoot: Bool

  init(_ account: TrainingAccount, rates: TrainingCost.Rates, json: Bool, isRoot: Bool) {
    (self.account, self.rates, self.json, self.isRoot) = (account, rates, json, isRoot)
  }

  mutating func add(_ event: TrainingEvent) { if case .step(let report) = event { account.add(report) } }

  var progress: Progress {
    let (cost, rest) = (account.cost(rates), account.costLeft(rates))
    var progress = Progress(left: Quantities.time(account.secondsLeft))
    if let dollars = cost.dollars, let more = rest.dollars {
      progress.cost = "$\(Quantities.amount(dollars)), $\(Quantities.amount(more))"
    } else if let energy = cost.kilowattHours, let more = rest.kilowattHours {
      progress.cost = "\(Quantities.amount(energy)), \(Quantities.amount(more)) kWh"
    }
    return progress
  }

  /// Ends the account: what a page shows of it. Collective.
  mutating func close(on communicator: any Communicator) throws -> [TrainingReport.Table] {
    try account.close(on: communicator)
    return account.steps > 0 ? AccountReport(account: account, rates: rates).tables : []
  }

  /// Tells the account of the run, which is closed: beside its results, or where these are lines of JSON on standard
  /// error. `path`: a file that gets it as JSON.
  func tell(_ path: String?) throws {
    guard isRoot, account.steps > 0 else { return }
    let report = AccountReport(account: account, rates: rates)
    for line in report.lines { if json { say(line) } else { show(line) } }
    if let path { try ReportFile.write(report.json.text(pretty: true) + "\n", to: path) }
  }
}
