import ExpertParallelism
import JSON
import Projection
import Reports

/// Decode steps by number of sequences, as `plan` and `project` show them: tokens a second, where the time goes, and
/// bytes beside what the layout needs.
enum StepTable {
  static func lines(_ steps: [(name: String, step: ClusterPlan.Step)]) -> [String] {
    guard let first = steps.first else { return [] }
    let names = first.step.outcome.phases.map(\.name) + ["messages", "waiting"]
    let drafts = steps.contains { $0.step.drafting != nil }
    let width = (steps.map(\.name.count).max() ?? 0) + 2
    var lines = [
      "".padding(to: width) + right("sequences", 9) + right("a step", 13) + right("tokens/s", 12)
        + (drafts ? right("with drafts", 13) : "") + names.map { right($0, 12) }.joined() + right("a token", 13)
        + right("needed", 12)
    ]
    for (name, step) in steps {
      let one = step.outcome
      let times = one.phases.map(\.seconds) + [one.communicating, one.waiting]
      lines.append(
        name.padding(to: width) + right("\(step.batch)", 9) + right(milliseconds(one.seconds), 13)
          + right(Figures.decimals(step.tokensPerSecond, 1), 12)
          + (drafts ? right(step.draftingTokensPerSecond.map { Figures.decimals($0, 1) } ?? "?", 13) : "")
          + times.map { right(milliseconds($0), 12) }.joined()
          + right(megabytes(one.bytesBetweenHosts / Double(step.batch)), 13)
          + right(megabytes(one.neededBetweenHosts / Double(step.batch)), 12))
    }
    return lines
  }

  private static func milliseconds(_ seconds: Double) -> String { Figures.decimals(seconds * 1e3, 2) + " ms" }
  private static func megabytes(_ bytes: Double) -> String { Figures.decimals(bytes / 1e6, 2) + " MB" }

  static func json(_ step: ClusterPlan.Step) -> JSONValue {
    var object = JSONObject([
      ("sequences", .int(step.batch)), ("seconds", .double(step.outcome.seconds)),
      ("tokens_per_second", .double(step.tokensPerSecond)),
      (
        "tokens_per_second_with_drafts", step.draftingTokensPerSecond.map { .double($0) } ?? .null
      ),
    ])
    for (name, value) in phases(step.outcome, tokens: step.batch) { object[name] = value }
    return .object(object)
  }

  /// Seconds by phase, and bytes of a token.
  static func phases(_ outcome: StepReplay.Outcome, tokens: Int) -> [(String, JSONValue)] {
    let times =
      outcome.phases.map { ($0.name, JSONValue.double($0.seconds)) } + [
        ("messages", .double(outcome.communicating)), ("waiting", .double(outcome.waiting)),
      ]
    return [
      ("phase_seconds", .object(JSONObject(times))),
      ("bytes_between_hosts_per_token", .double(outcome.bytesBetweenHosts / Double(max(tokens, 1)))),
      ("needed_bytes_per_token", .double(outcome.neededBetweenHosts / Double(max(tokens, 1)))),
    ]
  }
}

extension LayoutEstimate {
  var json: JSONValue {
    [
      "layout": .string(isSliced ? "sliced" : "spread"), "spread_seconds": .double(spread),
      "sliced_seconds": .double(sliced), "exchanges": .int(exchangeCount), "exchange_seconds": .double(gathered),
    ]
  }
}
