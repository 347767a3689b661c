import JSON
import Telemetry

/// A sweep as tables, pictures and sentences.
package struct SweepPage {
  private let title: String
  private let results: [SweepResult]
  private let seriesNames: [String]

  package init(title: String, results: [SweepResult]) {
    self.title = title
    self.results = results
    var names: [String] = []
    for result in results where !names.contains(result.series) { names.append(result.series) }
    seriesNames = names
  }

  private func members(_ name: String) -> [SweepResult] {
    results.filter { $0.series == name }.sorted { $0.ranks < $1.ranks }
  }

  /// Speed against the run with the fewest ranks, over ranks against its ranks: 1 is perfect. With a batch that grows
  /// this is weak scaling, otherwise strong scaling.
  private func efficiency(_ result: SweepResult, _ kind: StepKind) -> Double? {
    guard let first = members(result.series).first else { return nil }
    let base = first.figures(kind).tokensPerSecond
    guard base > 0 else { return nil }
    return result.figures(kind).tokensPerSecond / base / (Double(result.ranks) / Double(first.ranks))
  }

  /// What limits each region of each series.
  package var sentences: [String] {
    seriesNames.flatMap { name in
      StepKind.allCases.compactMap { kind in
        let runs = members(name).filter { $0.figures(kind).steps > 0 }
        guard !runs.isEmpty else { return nil }
        var regions: [(from: Int, to: Int, limit: String, shares: [Double?])] = []
        for run in runs {
          let (limit, share) = run.limit(kind)
          if regions.last?.limit == limit {
            regions[regions.count - 1].to = run.ranks
            regions[regions.count - 1].shares.append(share)
          } else {
            regions.append((run.ranks, run.ranks, limit, [share]))
          }
        }
        let text = regions.map { region in
          let ranks =
            region.from == region.to ? Figures.count(region.from, "rank") : "\(region.from) to \(region.to) ranks"
          let shares = region.shares.compactMap { $0 }
          guard let least = shares.min(), let most = shares.max() else { return "at \(ranks) by \(region.limit)" }
          let share =
            most - least < 0.02
            ? Decimals.percent(most, 0) : "\(Decimals.percent(least, 0)) to \(Decimals.percent(most, 0))"
          return "at \(ranks) by \(region.limit) (\(share) of a step)"
        }.joined(separator: ", ")
        let last = runs[runs.count - 1]
        let scaling =
          runs.count > 1
          ? "; efficiency at \(Figures.count(last.ranks, "rank")) \(Decimals.percent(efficiency(last, kind) ?? 0, 0))"
          : ""
        return "\(kind.name), \(name): limited \(text)\(scaling)"
      }
    }
  }

  private static let columns = [
    "ranks", "experts_per_rank", "batch", "weak", "prompt_length", "combine_format", "step", "tokens_per_second",
    "step_seconds", "efficiency",
    "communication_share", "waiting_share", "imbalance", "bytes_same_host", "bytes_other_hosts", "limit",
    "tokens_per_second_least",
    "tokens_per_second_most", "repetitions", "threads", "shares_cores", "processor", "instruction_set", "program",
    "date",
  ]

  private func row(_ result: SweepResult, _ kind: StepKind) -> [JSONValue]? {
    let figures = result.figures(kind)
    guard figures.steps > 0 else { return nil }
    return [
      .int(result.ranks), result.expertsPerRank.map { .int($0) } ?? .null, .int(result.batch), .bool(result.isWeak),
      .int(result.promptLength), .string(result.combineFormat), .string(kind.name), .double(figures.tokensPerSecond),
      .double(figures.seconds / Double(figures.steps)), efficiency(result, kind).map { .double($0) } ?? .null,
      .double(figures.exposedShare), .double(figures.waitingShare), .double(result.imbalance(kind)),
      .int(figures.sameHost.bytes), .int(figures.otherHosts.bytes), .string(result.limit(kind).name),
      result.spread(kind).map { .double($0.lowerBound) } ?? .null,
      result.spread(kind).map { .double($0.upperBound) } ?? .null,
      .int(result.report.rates[kind.rawValue].count), .int(result.threads), .bool(result.report.sharesCores),
      .string(result.report.processors.joined(separator: ", ")), .string(result.report.subject.instructionSet),
      .string(result.report.subject.program), .string(result.report.subject.date),
    ]
  }

  private var rows: [[JSONValue]] { results.flatMap { result in StepKind.allCases.compactMap { row(result, $0) } } }

  package var csv: String {
    func field(_ value: JSONValue) -> String {
      if let text = value.string { return "\"" + text.replacing("\"", with: "\"\"") + "\"" }
      return value.isNull ? "" : value.text()
    }
    return ([Self.columns.joined(separator: ",")] + rows.map { $0.map(field).joined(separator: ",") }).joined(
      separator: "\n") + "\n"
  }

  package var json: JSONValue {
    [
      "schema": "martinet-sweep", "version": .int(1), "title": .string(title), "circumstances": .string(circumstances),
      "runs": .array(rows.map { .object(JSONObject(Array(zip(Self.columns, $0)))) }),
      "limits": .array(sentences.map { .string($0) }),
    ]
  }

  package var html: String {
    ReportPage.html(
      ReportPage.sweep,
      [
        "title": .text(title), "circumstances": .text(circumstances),
        "sentences": .rows(sentences) { ["sentence": .text($0)] },
        "series": .rows(seriesNames.enumerated()) {
          ["color": .text(LinePlot.colors[$0 % LinePlot.colors.count]), "name": .text($1)]
        },
        "kinds": .rows(StepKind.allCases.filter { kind in results.contains { $0.figures(kind).steps > 0 } }) {
          ["kind": .text($0 == .prefill ? "Prefill" : "Decode"), "plots": .markup(plots($0))]
        },
        "columns": .rows(Self.columns) { ["column": .text($0.replacing("_", with: " "))] },
        "runs": .rows(rows) { ["cells": .rows($0) { ["cell": .text(Self.cell($0))] }] },
      ])
  }

  private func plots(_ kind: StepKind) -> String {
    [
      plot("tokens a second", kind) { $0.figures(kind).tokensPerSecond },
      plot("efficiency against the fewest ranks", kind, isPercent: true) { efficiency($0, kind) ?? 0 },
      plot("communication, share of a step", kind, isPercent: true) { $0.figures(kind).exposedShare },
      plot("waiting for late ranks, share of a step", kind, isPercent: true) { $0.figures(kind).waitingShare },
      plot("busiest rank's visits over the mean", kind) { $0.imbalance(kind) },
    ].joined()
  }

  private static func cell(_ value: JSONValue) -> String {
    if let text = value.string { return text }
    if let whole = value.exactInt { return "\(whole)" }
    if let number = value.double { return Decimals.text(number, number < 0.1 ? 4 : 2) }
    return value.isNull ? "" : value.text()
  }

  /// When, by what program and on what all runs ran: a study that was gone on with may have several of each.
  package var circumstances: String {
    func different(_ value: (SweepResult) -> String) -> String {
      results.map(value).reduce(into: [String]()) { if !$1.isEmpty, !$0.contains($1) { $0.append($1) } }.joined(
        separator: ", ")
    }
    let dates = results.map(\.report.subject.date).filter { !$0.isEmpty }.sorted()
    let days = dates.first.map { $0 == dates.last ? $0 : "\($0) to \(dates.last ?? "")" }
    let threads = results.map(\.threads)
    let words = [
      Figures.count(results.count, "run"), days, different(\.report.subject.program),
      different { $0.report.processors.joined(separator: ", ") },
      different(\.report.subject.instructionSet),
      threads.min().map {
        $0 == threads.max() ? "\(Figures.count($0, "thread")) a rank" : "\($0) to \(threads.max() ?? 0) threads a rank"
      },
      spreadWords,
    ]
    return words.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " · ")
  }

  /// How far repetitions of one run lie apart, at most.
  private var spreadWords: String? {
    let ratios = results.flatMap { result in
      StepKind.allCases.compactMap { kind -> Double? in
        guard let spread = result.spread(kind), spread.lowerBound > 0, result.report.rates[kind.rawValue].count > 1
        else { return nil }
        return spread.upperBound / spread.lowerBound - 1
      }
    }
    return ratios.max().map { "repetitions of a run differ by up to \(Decimals.percent($0, 0))" }
  }

  private func plot(_ title: String, _ kind: StepKind, isPercent: Bool = false, _ value: (SweepResult) -> Double)
    -> String
  {
    LinePlot(
      title: title,
      series: seriesNames.map { name in
        .init(name: name, points: members(name).filter { $0.figures(kind).steps > 0 }.map { ($0.ranks, value($0)) })
      }, isPercent: isPercent
    ).markup()
  }
}
