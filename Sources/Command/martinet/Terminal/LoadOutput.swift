import JSON
import LoadGenerator
import Reports

/// What `martinet bench serve` prints and writes.
struct LoadOutput {
  let command: BenchServe
  let model: String
  let endpoint: Endpoint
  let limit: Int?
  let figures: ServingFigures

  func write() throws {
    if let path = command.reportJson {
      guard var object = json.object else { return }
      object["requests"] = figures.requestsJSON
      try ReportFile.write(JSONValue.object(object).text(pretty: true) + "\n", to: path)
    }
    if command.json { show(json.text(pretty: true)) } else { for line in lines { show(line) } }
  }

  private var json: JSONValue {
    var object = JSONObject([
      ("url", .string(command.url)), ("model_id", .string(model)), ("endpoint", .string(endpoint.rawValue)),
      ("dataset", .string(command.dataset)), ("output_length", .int(command.outputLength)),
      ("request_rate", command.requestRate.map { .double($0) } ?? .null), ("burstiness", .double(command.burstiness)),
      ("max_concurrency", limit.map { .int($0) } ?? .null), ("seed", .number(JSONNumber(text: "\(command.seed)"))),
    ])
    for (key, value) in figures.json.object?.members.map({ ($0.key, $0.value) }) ?? [] { object[key] = value }
    return .object(object)
  }

  private var lines: [String] {
    var lines = ["\(model), \(command.dataset), \(pace)"]
    func row(_ name: String, _ words: String) { lines.append(name.padding(to: 10) + words) }
    let ends = [
      Figures.count(figures.completed, "request") + " completed", "\(figures.failed) failed",
      figures.interrupted > 0 ? "\(figures.interrupted) given up" : nil,
      figures.retries > 0 ? "\(figures.retries) sent again" : nil,
    ]
    row(
      "requests",
      """
      \(ends.compactMap { $0 }.joined(separator: ", ")) in \(Figures.decimals(figures.duration, 2)) s; \
      \(rate(figures.completed)) a second; at most \(figures.record.peakConcurrency) at once
      """
    )
    let cached = figures.cachedTokens > 0 ? " (\(figures.cachedTokens) of them found in the cache)" : ""
    row("tokens", "\(figures.promptTokens) of prompts\(cached), \(figures.outputTokens) of answers")
    row(
      "a second",
      """
      \(rate(figures.promptTokens)) of prompts, \(rate(figures.outputTokens)) of answers, \
      \(rate(figures.promptTokens + figures.outputTokens)) together
      """
    )
    lines.append("ms".padding(to: 10) + ["mean", "median", "p90", "p99", "max"].map { cell($0) }.joined())
    for (name, summary) in [
      ("TTFT", figures.timeToFirstToken), ("TPOT", figures.timePerOutputToken), ("ITL", figures.interTokenLatency),
      ("E2EL", figures.latency),
    ] {
      let values = [summary.mean, summary.median, summary.p90, summary.p99, summary.maximum]
      row(name, values.map { cell(Figures.decimals($0 * 1000, 2)) }.joined())
    }
    if let goal = figures.goal, let good = figures.good {
      row("goodput", "\(rate(good)) requests a second (\(good) of \(figures.record.requested)) keep \(goal.text)")
    }
    for failure in figures.failures { row("failed", "\(failure.count) × \(failure.reason)") }
    if figures.withoutUsage > 0 {
      row(
        "note",
        """
        \(Figures.count(figures.withoutUsage, "answer")) without usage: tokens are counted by chunks, prompts not \
        at all
        """
      )
    }
    if figures.record.isInterrupted {
      row(
        "note", "interrupted: \(figures.completed + figures.failed) of \(figures.record.requested) requests had ended")
    }
    return lines
  }

  private var pace: String {
    let rate = command.requestRate.map { "\(Figures.decimals($0, 2)) requests a second" }
    return [rate, limit.map { "at most \($0) at once" }].compactMap { $0 }.joined(separator: ", ")
  }
  private func rate(_ count: Int) -> String { Figures.decimals(figures.rate(count), 2) }
  private func cell(_ text: String) -> String { right(text, 11) }
}
