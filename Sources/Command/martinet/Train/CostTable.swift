import JSON
import Training

/// Costs of trainings in the columns of DeepSeek-V3's report, its own among them.
struct CostTable {
  private let rows: [(name: String, cost: TrainingCost)]

  /// `rows` first, then DeepSeek-V3's.
  init(_ rows: [(name: String, cost: TrainingCost)]) {
    self.rows = rows + [("DeepSeek-V3 (H800s)", TrainingCost.deepSeekV3.total)]
  }

  static let heads = ["", "tokens", "node-hours", "dollars", "$/M tokens", "kWh"]

  var cells: [[String]] {
    rows.map { name, cost in
      [
        name, Quantities.count(cost.tokens), Quantities.amount(cost.nodeHours),
        Self.text(cost.dollars), Self.text(cost.dollarsPerMillionTokens), Self.text(cost.kilowattHours),
      ]
    }
  }

  var lines: [String] {
    let first = rows.map(\.name.count).max() ?? 0
    return ([Self.heads] + cells).map { row in
      "  " + row[0].padding(to: first + 1) + row.dropFirst().map { right($0, 12) }.joined()
    }
  }

  private static func text(_ value: Double?) -> String { value.map(Quantities.amount) ?? "-" }

  var json: JSONValue { .object(JSONObject(rows.map { ($0.name, Self.json($0.cost)) })) }

  static func json(_ cost: TrainingCost) -> JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
    return [
      "tokens": .double(cost.tokens), "node_hours": number(cost.nodeHours), "dollars": number(cost.dollars),
      "dollars_per_million_tokens": number(cost.dollarsPerMillionTokens), "kilowatt_hours": number(cost.kilowattHours),
    ]
  }
}
