import DistributedTraining
import JSON
import Reports
import Training

/// What a training came to, beside what was said of it before.
struct AccountReport {
  let account: TrainingAccount
  let rates: TrainingCost.Rates

  /// Of what was said of the whole training, the part that this run did: it may have been stopped.
  private var share: Double { account.forecast.tokens > 0 ? Double(account.tokens) / account.forecast.tokens : 0 }

  private var predictedSeconds: Double { account.forecast.seconds * share }

  private var predictedCost: TrainingCost {
    TrainingCost(
      tokens: Double(account.tokens), nodeHours: predictedSeconds * Double(account.forecast.nodes) / 3600, rates)
  }

  private static let heads = ["", "predicted", "measured", "difference"]

  /// Name, predicted, measured, and by how much that is more.
  private var rows: [[String]] {
    var rows: [[String]] = []
    func add(_ name: String, _ predicted: Double, _ measured: Double, _ text: (Double) -> String) {
      // Of a run that learnt from no token nothing was predicted.
      let difference = predicted > 0 ? (measured / predicted - 1) * 100 : .nan
      let words = difference.isNaN ? "–" : (difference >= 0 ? "+" : "") + Figures.decimals(difference, 1) + " %"
      rows.append([name, text(predicted), text(measured), words])
    }
    if let memory = account.busiest, let measured = memory.measured {
      add("memory of rank \(memory.rank)", Double(memory.predicted), Double(measured)) { Figures.size(Int($0)) }
    }
    add("tokens/s", account.forecast.tokensPerSecond, account.tokensPerSecond) { Figures.decimals($0, 0) }
    add("time", predictedSeconds, account.seconds, Quantities.time)
    let (said, came) = (predictedCost, account.cost(rates))
    add("node-hours", said.nodeHours, came.nodeHours, Quantities.amount)
    if let predicted = said.dollars, let measured = came.dollars {
      add("dollars", predicted, measured, Quantities.amount)
    }
    if let predicted = said.kilowattHours, let measured = came.kilowattHours {
      add("kWh", predicted, measured, Quantities.amount)
    }
    return rows
  }

  private var costs: CostTable { CostTable([("this run", account.cost(rates))]) }

  var lines: [String] {
    let title = "account of \(Figures.count(account.steps, "step"))"
    let lines = ([[title] + Self.heads.dropFirst()] + rows.map { ["  " + $0[0]] + $0.dropFirst() }).map { row in
      row[0].padding(to: 24) + row.dropFirst().map { right($0, 12) }.joined()
    }
    return lines + costs.lines
  }

  /// The same for a page.
  var tables: [TrainingReport.Table] {
    [
      TrainingReport.Table(
        title: "Predicted and measured",
        note:
          """
          Memory of the rank that was said to hold most; speed of steps, without the first; time and cost with \
          scores and checkpoints.
          """,
        header: Self.heads, rows: rows),
      TrainingReport.Table(title: "Cost", header: CostTable.heads, rows: costs.cells),
    ]
  }

  var json: JSONValue {
    func side(_ memory: [JSONValue], _ speed: Double, _ seconds: Double, _ cost: TrainingCost) -> JSONValue {
      [
        "memory_bytes": .array(memory), "tokens_per_second": .double(speed), "seconds": .double(seconds),
        "cost": CostTable.json(cost),
      ]
    }
    let memory = account.memory
    return [
      "steps": .int(account.steps), "tokens": .int(account.tokens), "nodes": .int(account.forecast.nodes),
      "peak_flops": .double(account.forecast.peak), "assumed_mfu": .double(account.forecast.utilization),
      "predicted": side(
        memory.map { .int($0.predicted) }, account.forecast.tokensPerSecond, predictedSeconds, predictedCost),
      "measured": side(
        memory.map { $0.measured.map { .int($0) } ?? .null }, account.tokensPerSecond, account.seconds,
        account.cost(rates)),
      "cost": costs.json,
    ]
  }
}
