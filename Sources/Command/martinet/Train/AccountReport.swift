import JSON
import Pretraining
import Reports
import Training

/// What a training came to, beside what was said of it before.
struct AccountReport {
  let account: TrainingAccount
  let rates: TrainingCost.Rates

  /// Of what was said of the whole training, the part that this run did: it may have been stopped.
  private var share: Double {
    account.forecast.tokens > 0 ? Double(account.tokens) / account.forecast.tokens : 0
  }

  private var predictedSeconds: Double { account.forecast.seconds * share }

  private var predictedCost: TrainingCost {
    TrainingCost(
      tokens: Double(account.tokens), nodeHours: predictedSeconds * Double(account.forecast.nodes) / 3600, rates)
  }

  var lines: [String] {
    var lines = [
      "account of \(Figures.count(account.steps, "step"))".padding(to: 24) + Quantities.right("predicted", 12)
        + Quantities.right("measured", 12)
    ]
    func add(_ name: String, _ predicted: Double, _ measured: Double, _ text: (Double) -> String) {
      let difference = predicted > 0 ? (measured / predicted - 1) * 100 : 0
      lines.append(
        "  " + name.padding(to: 22) + Quantities.right(text(predicted), 12) + Quantities.right(text(measured), 12)
          + Quantities.right((difference >= 0 ? "+" : "") + Figures.decimals(difference, 1) + " %", 10))
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
    return lines + CostTable([("this run", came)]).lines
  }

  var json: JSONValue {
    func number(_ value: Double) -> JSONValue { value.isFinite ? .double(value) : .null }
    func side(_ memory: [JSONValue], _ speed: Double, _ seconds: Double, _ cost: TrainingCost) -> JSONValue {
      [
        "memory_bytes": .array(memory), "tokens_per_second": number(speed), "seconds": number(seconds),
        "cost": CostTable.json(cost),
      ]
    }
    let memory = account.memory
    return [
      "steps": .int(account.steps), "tokens": .int(account.tokens), "nodes": .int(account.forecast.nodes),
      "peak_flops": number(account.forecast.peak), "assumed_mfu": number(account.forecast.utilization),
      "predicted": side(
        memory.map { .int($0.predicted) }, account.forecast.tokensPerSecond, predictedSeconds, predictedCost),
      "measured": side(
        memory.map { $0.measured.map { .int($0) } ?? .null }, account.tokensPerSecond, account.seconds,
        account.cost(rates)),
      "cost": CostTable([("this run", account.cost(rates))]).json,
    ]
  }
}
