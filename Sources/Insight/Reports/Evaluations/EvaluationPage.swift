import JSON

/// Results of `martinet eval` or `martinet audit` as a page: shares with their intervals, and every answer to read and
/// filter.
package struct EvaluationPage {
  private let run: JSONValue

  /// `run`: what `--out` writes.
  package init(_ run: JSONValue) { self.run = run }

  private static let style = ReportPage.text(PackageResources.evaluation_css)
  private static let script = ReportPage.text(PackageResources.evaluation_js)

  private var tasks: [JSONValue] { run["tasks"]?.array ?? [] }

  package var html: String {
    // Of a folder's path the last part; the whole is in the command.
    let model = run["subject"]?["model"]?.string?.split(separator: "/").last.map(String.init) ?? "model"
    return ReportPage.html(
      ReportPage.evaluation,
      [
        "model": .text(model), "circumstances": .text(circumstances), "command": .text(command),
        "tasks": .rows(tasks, values), "comparison": .when(!comparisons.isEmpty),
        "compared": .rows(comparisons, compared), "data": .markup(Self.embedded(.array(tasks))),
        "own-style": .markup(Self.style), "script": .markup(Self.script),
      ])
  }

  /// JSON that may stand in a script: nothing in it can end the element.
  static func embedded(_ value: JSONValue) -> String { value.text().replacing("<", with: "\\u003c") }

  private var circumstances: String {
    let (subject, what) = (run["subject"], run["circumstances"])
    var words = [run["program"]?.string, subject?["endpoint"]?.string, subject?["family"]?.string]
    words.append(subject?["fingerprint"]?.string.map { "fingerprint \($0.prefix(16))" })
    words.append(what?["ranks"]?.exactInt.map { Figures.count($0, "rank") })
    words.append(what?["seconds"]?.double.map { "\(Figures.decimals($0, 1)) s" })
    words.append(subject?["chat"]?.bool == true ? "as a chat" : "as plain text")
    let others = (subject?["answered_by"]?.array ?? []).compactMap(\.string)
    if !others.isEmpty { words.append("answered by \(others.joined(separator: ", "))") }
    words.append(subject?["judge"]?.string.map { "judged by \($0)" })
    return words.compactMap { $0 }.joined(separator: " · ")
  }

  private var command: String { (run["command"]?.array ?? []).compactMap(\.string).joined(separator: " ") }

  /// A task's section.
  private func values(_ task: JSONValue) -> [String: PageTemplate.Value] {
    var note = "grader \(task["grader"]?.string ?? "")"
    if let clusters = task["clusters"]?.exactInt {
      note += "; \(Figures.count(clusters, "cluster")), for which the intervals allow"
    }
    note += "; \(Figures.count(task["tokens"]?.exactInt ?? 0, "token"))"
    var values: [String: PageTemplate.Value] = [
      "task": .text(task["task"]?.string ?? ""), "note": .text(note), "likelihood": .when(nil),
      "scores": .when(nil), "pass-at": .when(nil),
    ]
    if let bits = task["bits_per_byte"]?.double {
      values["likelihood"] = .when([
        "bits": .text(Figures.decimals(bits, 4)),
        "perplexity": .text(Figures.decimals(task["byte_perplexity"]?.double ?? .nan, 4)),
      ])
      return values
    }
    let names = task["outcomes"]
    func word(_ key: String, _ plain: String) -> PageTemplate.Value { .text(names?[key]?.string ?? plain) }
    let kinds = task["by_kind"]?.object?.members.map { ($0.key, $0.value) } ?? []
    var rows = (kinds + [("all", task)]).map { row($0, $1) }
    if task["grader"]?.string == "claim" { rows.append(published) }
    values["scores"] = .when([
      "right-word": word("right", "right"), "wrong-word": word("wrong", "wrong"),
      "none-word": word("no_answer", "no answer"), "rows": .each(rows),
    ])
    if let passAt = task["pass_at"]?.object {
      let shares = passAt.members.map { "pass@\($0.key) \(Figures.decimals(($0.value.double ?? .nan) * 100, 1)) %" }
      values["pass-at"] = .when(["shares": .text(shares.joined(separator: ", "))])
    }
    return values
  }

  /// What NewsGuard published of DeepSeek's chatbot in January 2025: 30 prompts of 10 claims.
  private var published: [String: PageTemplate.Value] {
    let score: JSONValue = [
      "n": 30, "right": 5, "wrong": 9, "no_answer": 16, "interval": [.double(0.0734), .double(0.3356)],
    ]
    return row("DeepSeek's chatbot, January 2025 (NewsGuard)", score, isOwn: false)
  }

  private func row(_ name: String, _ score: JSONValue, isOwn: Bool = true) -> [String: PageTemplate.Value] {
    func count(_ key: String) -> Int { score[key]?.exactInt ?? 0 }
    let n = max(count("n"), 1)
    func percent(_ share: Double) -> String { Figures.decimals(share * 100, 1) }
    func share(_ key: String) -> String { percent(Double(count(key)) / Double(n)) }
    func cell(_ key: String) -> PageTemplate.Value { "\(count(key)) (\(share(key)) %)" }
    let ends = (score["interval"]?.array ?? []).compactMap(\.double)
    let interval = ends.count == 2 ? (low: ends[0], high: ends[1]) : nil
    let outcomes = [("right", "right"), ("wrong", "wrong"), ("no_answer", "none")].filter { count($0.0) > 0 }
    return [
      "name": .text(name), "own": .when(isOwn), "published": .when(!isOwn), "n": "\(count("n"))",
      "right": cell("right"), "wrong": cell("wrong"), "none": cell("no_answer"),
      "interval": .text(interval.map { "\(percent($0.low)) to \(percent($0.high)) %" } ?? "–"),
      "parts": .rows(outcomes) { ["outcome": .text($1), "width": .text(share($0))] },
      "span": .when(
        interval.map { ["left": .text(percent($0.low)), "width": .text(percent($0.high - $0.low))] }),
    ]
  }

  private var comparisons: [JSONValue] { run["comparisons"]?.array ?? [] }

  private func compared(_ one: JSONValue) -> [String: PageTemplate.Value] {
    func percent(_ value: JSONValue?) -> String { Figures.decimals((value?.double ?? .nan) * 100, 1) }
    let ends = one["interval"]?.array ?? []
    return [
      "task": .text(one["task"]?.string ?? ""), "items": "\(one["n"]?.exactInt ?? 0)",
      "difference": .text(percent(one["difference"])),
      "interval": .text(ends.count == 2 ? "\(percent(ends[0])) to \(percent(ends[1]))" : ""),
      "only-this": "\(one["only_second_right"]?.exactInt ?? 0)",
      "only-other": "\(one["only_first_right"]?.exactInt ?? 0)",
      "probability": .text(Figures.decimals(one["mcnemar_p"]?.double ?? .nan, 4)),
    ]
  }
}
