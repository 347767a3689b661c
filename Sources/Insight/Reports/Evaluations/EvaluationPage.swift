import JSON

/// Results of `martinet eval` or `martinet audit` as a page: shares with their intervals, and every answer to read and
/// filter.
package struct EvaluationPage {
  private let run: JSONValue

  /// `run`: what `--out` writes.
  package init(_ run: JSONValue) { self.run = run }

  private static let style = String(decoding: PackageResources.evaluation_css, as: UTF8.self)
  private static let script = String(decoding: PackageResources.evaluation_js, as: UTF8.self)

  private var tasks: [JSONValue] { run["tasks"]?.array ?? [] }

  package var html: String {
    // Of a folder's path the last part; the whole is in the command.
    let model = run["subject"]?["model"]?.string?.split(separator: "/").last.map(String.init) ?? "model"
    var body = "<style>\(Self.style)</style><h1>\(SVG.escape(model))</h1>"
    body += "<p class=weak>\(SVG.escape(circumstances))</p>"
    body += "<p class=weak><code>\(SVG.escape(command))</code></p>"
    for task in tasks { body += section(task) }
    body += comparisons
    body +=
      """
      <h2>Answers</h2><div class=filters>
      <select id=task><option value="">all tasks</option></select>
      <select id=prompt_kind><option value="">all kinds of prompt</option></select>
      <select id=outcome><option value="">all outcomes</option></select>
      <input id=search type=search placeholder="search prompts and answers"></div>
      <p class=weak id=count></p><div id=answers></div>
      <script type="application/json" id=data>\(Self.embedded(.array(tasks)))</script><script>\(Self.script)</script>
      """
    return ReportPage.html(title: "\(model): evaluation", body: body)
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

  private func section(_ task: JSONValue) -> String {
    let name = task["task"]?.string ?? ""
    var text = "<section><h2>\(SVG.escape(name))</h2><p class=weak>grader \(SVG.escape(task["grader"]?.string ?? ""))"
    if let clusters = task["clusters"]?.exactInt {
      text += "; \(Figures.count(clusters, "cluster")), for which the intervals allow"
    }
    text += "; \(Figures.count(task["tokens"]?.exactInt ?? 0, "token"))</p>"
    if let bits = task["bits_per_byte"]?.double {
      let byte = Figures.decimals(task["byte_perplexity"]?.double ?? .nan, 4)
      return text + "<p>\(Figures.decimals(bits, 4)) bits per byte; perplexity by byte \(byte)</p></section>"
    }
    let names = task["outcomes"]
    func word(_ key: String, _ plain: String) -> String { SVG.escape(names?[key]?.string ?? plain) }
    let (right, wrong, none) = (word("right", "right"), word("wrong", "wrong"), word("no_answer", "no answer"))
    text +=
      "<table><tr><th></th><th>n</th><th>\(right)</th><th>\(wrong)</th><th>\(none)</th><th>95 %</th><th></th></tr>"
    for (kind, score) in (task["by_kind"]?.object?.members.map { ($0.key, $0.value) }) ?? [] {
      text += row(kind, score)
    }
    text += row("all", task)
    if task["grader"]?.string == "claim" { text += Self.reference }
    text += "</table>"
    if let passAt = task["pass_at"]?.object {
      let shares = passAt.members.map { "pass@\($0.key) \(Figures.decimals(($0.value.double ?? .nan) * 100, 1)) %" }
      text += "<p>\(SVG.escape(shares.joined(separator: ", ")))</p>"
    }
    return text + "</section>"
  }

  /// What NewsGuard published of DeepSeek's chatbot in January 2025: 30 prompts of 10 claims.
  private static var reference: String {
    let score: JSONValue = [
      "n": 30, "right": 5, "wrong": 9, "no_answer": 16, "interval": [.double(0.0734), .double(0.3356)],
    ]
    return row("<i>DeepSeek's chatbot, January 2025 (NewsGuard)</i>", score)
  }

  private func row(_ name: String, _ score: JSONValue) -> String { Self.row(SVG.escape(name), score) }

  /// `name` is markup.
  private static func row(_ name: String, _ score: JSONValue) -> String {
    func count(_ key: String) -> Int { score[key]?.exactInt ?? 0 }
    let n = max(count("n"), 1)
    func percent(_ share: Double) -> String { Figures.decimals(share * 100, 1) }
    func cell(_ key: String) -> String {
      "<td class=n>\(count(key)) (\(percent(Double(count(key)) / Double(n))) %)</td>"
    }
    let interval = (score["interval"]?.array ?? []).compactMap(\.double)
    var bar = ""
    for (key, style) in [("right", "right"), ("wrong", "wrong"), ("no_answer", "none")] where count(key) > 0 {
      bar += "<i class=\(style) style=\"width:\(percent(Double(count(key)) / Double(n)))%\"></i>"
    }
    var words = "–"
    if interval.count == 2 {
      words = "\(percent(interval[0])) to \(percent(interval[1])) %"
      bar +=
        "<span class=span style=\"left:\(percent(interval[0]))%;width:\(percent(interval[1] - interval[0]))%\"></span>"
    }
    return
      """
      <tr><td>\(name)</td><td class=n>\(count("n"))</td>\(cell("right"))\(cell("wrong"))\(cell("no_answer"))<td \
      class=span>\(words)</td><td><div class=bar>\(bar)</div></td></tr>
      """
  }

  private var comparisons: String {
    guard let list = run["comparisons"]?.array, !list.isEmpty else { return "" }
    var text =
      """
      <h2>Against the other run</h2><table><tr><th></th><th>items</th><th>difference</th><th>95 %</th><th>only \
      this right</th><th>only the other</th><th>McNemar p</th></tr>
      """
    for one in list {
      func percent(_ value: JSONValue?) -> String { Figures.decimals((value?.double ?? .nan) * 100, 1) }
      let ends = one["interval"]?.array ?? []
      let span = ends.count == 2 ? "\(percent(ends[0])) to \(percent(ends[1]))" : ""
      text +=
        """
        <tr><td>\(SVG.escape(one["task"]?.string ?? ""))</td><td class=n>\(one["n"]?.exactInt ?? 0)</td><td \
        class=n>\(percent(one["difference"])) points</td><td class=span>\(span)</td><td \
        class=n>\(one["only_second_right"]?.exactInt ?? 0)</td><td \
        class=n>\(one["only_first_right"]?.exactInt ?? 0)</td><td \
        class=n>\(Figures.decimals(one["mcnemar_p"]?.double ?? .nan, 4))</td></tr>
        """
    }
    return text + "</table>"
  }
}
