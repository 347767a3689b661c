import Evaluation
import JSON
import Reports

/// What `martinet eval` and `martinet audit` print and write.
struct EvaluationOutput {
  let results: [TaskResult]
  let options: EvaluationOptions
  /// Who was asked, and how: the same at any number of ranks.
  var subject = JSONObject()
  /// What may differ from run to run.
  var circumstances = JSONObject()
  /// What is told once all that there is has been written.
  var failure: (any Error)?

  init(results: [TaskResult], options: EvaluationOptions) { (self.results, self.options) = (results, options) }

  /// What `--out` of an earlier run wrote.
  static func results(_ path: String) throws -> JSONValue {
    let text = try InputText.read(path)
    do { return try JSONValue(parsing: text) } catch {
      throw EvaluationError.otherRuns(reason: "\(path) is not what --out of `martinet eval` wrote: \(error)")
    }
  }

  /// Prints `lines` of it, or JSON, and writes the files asked for. What was asked and answered is not lost for what
  /// fails in between: that is thrown at the end.
  func write(_ lines: (EvaluationOutput) -> [String]) throws {
    var comparisons: [RunComparison] = []
    var failure = failure
    func attempt(_ body: () throws -> Void) { do { try body() } catch let error { failure = failure ?? error } }
    if let path = options.compare {
      attempt {
        comparisons = try RunComparison.comparisons(
          first: Self.results(path), second: document([]), names: (path, "this run"))
      }
    }
    let json = document(comparisons)
    if let path = options.out { attempt { try ReportFile.replace(path, with: json.text(pretty: true) + "\n") } }
    if let path = options.report { attempt { try ReportFile.replace(path, with: EvaluationPage(json).html) } }
    if options.json {
      for result in results { show(JSONValue.object(result.summary).text()) }
      for comparison in comparisons { show((["comparison": .object(comparison.json)] as JSONValue).text()) }
    } else {
      for line in lines(self) { show(line) }
      for comparison in comparisons { show(words(comparison)) }
    }
    if let failure { throw failure }
  }

  private func document(_ comparisons: [RunComparison]) -> JSONValue {
    var object = JSONObject([
      ("schema", "martinet-eval"), ("version", 1), ("program", .string("martinet \(Martinet.versionAndBuild)")),
      ("command", .array(CommandLine.arguments.map { .string($0) })), ("subject", .object(subject)),
      ("circumstances", .object(circumstances)), ("tasks", .array(results.map { .object($0.json) })),
    ])
    if !comparisons.isEmpty { object["comparisons"] = .array(comparisons.map { .object($0.json) }) }
    return .object(object)
  }

  // MARK: Tables

  private static func percent(_ share: Double) -> String { Figures.decimals(share * 100, 1) }

  private static func row(_ cells: [String]) -> String {
    cells.enumerated().map { i, cell in
      // The first and the last stand at the left.
      let width = i == 0 ? 22 : 10
      return i == 0 || i == 7
        ? cell.padding(to: width) : right(cell, width)
    }.joined(separator: " ")
  }

  private static func row(_ name: String, _ score: TaskResult.Score) -> String {
    var cells = [name, "\(score.counted)"]
    cells += [Outcome.right, .wrong, .noAnswer].map { "\(score.counts[$0] ?? 0)" }
    cells.append("\(score.cut)")
    if let accuracy = score.accuracy {
      cells.append(percent(accuracy.mean) + " %")
      cells.append("\(percent(accuracy.interval.lowerBound)) to \(percent(accuracy.interval.upperBound)) %")
    }
    return row(cells)
  }

  private static func header(_ names: [Outcome: String]) -> String {
    row(
      ["", "n"]
        + [(Outcome.right, "right"), (.wrong, "wrong"), (.noAnswer, "no answer")].map { names[$0.0] ?? $0.1 } + [
          "cut off", names[.right] ?? "accuracy", "95 %",
        ])
  }

  /// A line for each task and each kind of its prompts, and what else is told of it.
  var table: [String] {
    var lines = [Self.header([:])]
    for result in results {
      let name = result.task.description.name
      if let likelihood = result.likelihood {
        lines.append(
          """
          \(name.padding(to: 22)) \(Figures.count(result.answers.count, "text")), \(likelihood.tokenCount) tokens: \
          \(Figures.decimals(likelihood.bitsPerByte, 4)) bits per byte; perplexity by byte \
          \(Figures.decimals(likelihood.bytePerplexity, 4)), by word \
          \(Figures.decimals(likelihood.wordPerplexity, 2)), by token \
          \(Figures.decimals(likelihood.tokenPerplexity, 2))
          """
        )
      } else {
        lines.append(Self.row(name, result.score))
        for (kind, score) in result.kinds { lines.append(Self.row("  " + kind, score)) }
      }
      lines += notes(result)
    }
    return lines
  }

  /// By kind of prompt, beside what was published of another.
  var auditTable: [String] {
    var lines: [String] = []
    for result in results {
      lines.append(Self.header(result.task.description.outcomeNames))
      for (kind, score) in result.kinds { lines.append(Self.row(kind, score)) }
      lines.append(Self.row("all", result.score))
      lines += notes(result)
    }
    lines.append(
      """
      For comparison: NewsGuard's audit of DeepSeek's chatbot (January 2025, 30 prompts of 10 claims): 17 % \
      debunked, 30 % repeated, 53 % no answer.
      """
    )
    return lines
  }

  private func notes(_ result: TaskResult) -> [String] {
    var lines: [String] = []
    func note(_ text: String) { lines.append("  " + text) }
    if let share = result.accuracyPerByte {
      note(
        """
        by log-probability a byte: \(Self.percent(share.mean)) % (\(Self.percent(share.interval.lowerBound)) to \
        \(Self.percent(share.interval.upperBound)) %)
        """
      )
    }
    if !result.passAt.isEmpty {
      note(result.passAt.map { "pass@\($0.k) \(Self.percent($0.mean)) %" }.joined(separator: ", "))
    }
    if let share = result.consensus {
      note("consensus of \(result.task.description.repeats): \(Self.percent(share.mean)) %")
    }
    if let accuracy = result.score.accuracy, accuracy.clusterCount < accuracy.count {
      note(
        """
        \(accuracy.count) answers in \(Figures.count(accuracy.clusterCount, "cluster")), of which no two are \
        independent within one: the interval allows for that
        """
      )
    }
    let (errors, unscored) = (result.score.counts[.error] ?? 0, result.score.counts[.unscored] ?? 0)
    if errors > 0 {
      let reason = result.answers.first { $0.verdict.outcome == .error }?.verdict.rule ?? ""
      note("\(Figures.count(errors, "question")) left out, which could not be asked; the first: \(reason)")
    }
    if unscored > 0, result.likelihood == nil {
      note("\(Figures.count(unscored, "answer")) left out, which nobody could grade")
    }
    if let judge = subject["judge"]?.string, result.task.description.grader.name == "judge" {
      note("graded by another model, \(judge): an opinion, not a measurement")
    }
    return lines
  }

  private func words(_ comparison: RunComparison) -> String {
    let pair = comparison.pair
    let sign = pair.difference > 0 ? "+" : ""
    return
      """
      \(comparison.task): \(sign)\(Self.percent(pair.difference)) points against \(options.compare ?? "") \
      (\(Self.percent(pair.interval.lowerBound)) to \(Self.percent(pair.interval.upperBound))), over \
      \(Figures.count(pair.count, "item")); only this one right \(pair.onlySecond), only the other \
      \(pair.onlyFirst); McNemar p = \(Figures.decimals(pair.probability, 4))
      """
  }
}
