import ExpertParallelism
import JSON
import Projection
import Reports
import Telemetry

/// One projected setting.
struct Projection {
  var ranks: Int
  var hosts: Int
  var isSliced: Bool
  var kind: StepKind
  var tokens: Int
  /// Which placement of the experts.
  var placement: String
  var outcome: StepReplay.Outcome
  /// Relative error to expect of the time; nil where no run tells.
  var error: Double?
  /// What the fullest rank holds, weights and cache; nil where that is not known.
  var heldBytes: Int?
  /// A step in which sequences try drafts, and tokens that each gets of it.
  var drafting: StepReplay.Outcome?
  var tokensPerDraftingStep = 1.0

  var layout: String { isSliced ? "sliced" : "spread" }
  var tokensPerSecond: Double { Double(tokens) / outcome.seconds }
  /// As the table of steps shows it.
  var step: ClusterPlan.Step {
    ClusterPlan.Step(batch: tokens, outcome: outcome, drafting: drafting, tokensPerDraftingStep: tokensPerDraftingStep)
  }
  /// What takes most of a step.
  var limit: String {
    let parts = [
      ("experts", outcome.experts), ("other work", outcome.computing - outcome.experts),
      ("messages", outcome.communicating),
      ("waiting for late ranks", outcome.waiting),
    ]
    return parts.max { $0.1 < $1.1 }?.0 ?? ""
  }
  func share(_ part: Double) -> Double {
    let sum = outcome.computing + outcome.communicating + outcome.waiting
    return sum > 0 ? part / sum : 0
  }
}

/// What `martinet project` prints.
struct ProjectionReport {
  let projector: Projector
  let network: Network
  let projections: [Projection]
  /// Of another model than the measured one.
  let model: String?
  let speed: Double
  let zipf: Double
  /// What becomes of drafts, where a run would say so.
  let note: String?
  /// What `--layout auto` would choose, by ranks.
  let choices: [(ranks: Int, estimate: LayoutEstimate)]

  var lines: [String] {
    var lines = projector.fitted.isEmpty ? [] : ["fitted to"] + projector.fitted.map(line)
    if projector.validated.isEmpty {
      lines.append("not validated: no run at other settings was given (--validate); errors below are the fit's own")
    } else {
      lines += ["validated with, not fitted"] + projector.validated.map(line)
    }
    lines.append("network \(network.name): \(network.otherHosts.summary)")
    if let model {
      lines.append(
        """
        scaled to another model (\(model)) by its parameters, with \
        \(zipf > 0 ? "uneven (--zipf \(zipf))" : "even") routing: an estimate that no run validates
        """
      )
    } else if zipf > 0 {
      lines.append("routing is made up, uneven (--zipf \(zipf)): --routing takes what a run recorded")
    }
    if let note { lines.append(note) }
    if speed != 1 {
      lines.append("ranks taken to be \(Figures.decimals(speed, 2)) times as fast as the measured ones: an assumption")
    }
    lines.append(
      """
       ranks  hosts  layout  step      tokens  placement          a step     ±        tokens/s   messages   \
      waiting   between hosts   busiest rank   a rank holds   limited by
      """
    )
    for one in projections {
      lines.append(
        right("\(one.ranks)", 6) + right("\(one.hosts)", 7) + "  " + one.layout + "  " + one.kind.name.padding(to: 8)
          + right("\(one.tokens)", 8) + "  " + one.placement.padding(to: 9)
          + right(Figures.decimals(one.outcome.seconds * 1e3, 2) + " ms", 16)
          + right(one.error.map { Figures.decimals($0 * 100, 0) + " %" } ?? "?", 6)
          + right(Figures.decimals(one.tokensPerSecond, 1), 16)
          + right(percent(one.share(one.outcome.communicating)), 11)
          + right(percent(one.share(one.outcome.waiting)), 10)
          + right(Figures.decimals(one.outcome.bytesBetweenHosts / 1e6, 2) + " MB", 16)
          + right(Figures.decimals(one.outcome.busiest.visits, 2) + " ×", 15)
          + right(one.heldBytes.map(Figures.size) ?? "?", 15) + "   " + one.limit)
    }
    lines.append(
      "decode steps by phase, of the mean rank; bytes that a token sends between hosts, and the least that would do")
    lines += StepTable.lines(
      projections.filter { $0.kind == .decode }.map {
        ("\($0.ranks) \($0.layout)\($0.placement == "plain" ? "" : ", " + $0.placement)", $0.step)
      })
    for (ranks, estimate) in choices {
      lines.append(
        """
        \(Figures.count(ranks, "rank")): --layout auto would choose \(estimate.isSliced ? "sliced" : "spread"), \
        \(estimate.words(streams: 1))
        """
      )
    }
    return lines
  }

  private func line(_ check: Projector.Check) -> String {
    """
      \(check.kind.name), \(Figures.count(check.ranks, "rank")) on \
    \(Figures.count(check.hosts, "host"))\(check.isSliced ? ", sliced" : ""), \(check.batch) \
    \(check.rowsPerSequence > 1 ? "rows (\(check.rowsPerSequence) of a sequence)" : "tokens") a step: measured \
    \(Figures.decimals(check.measured * 1e3, 3)) ms, projected \(Figures.decimals(check.projected * 1e3, 3)) ms \
    (\(check.error >= 0 ? "+" : "")\(Figures.decimals(check.error * 100, 1)) %)
    """
  }

  private func percent(_ share: Double) -> String { Figures.decimals(share * 100, 1) + " %" }

  var json: JSONValue {
    func checks(_ checks: [Projector.Check]) -> JSONValue {
      .array(
        checks.map {
          [
            "ranks": .int($0.ranks), "hosts": .int($0.hosts), "layout": .string($0.isSliced ? "sliced" : "spread"),
            "kind": .string($0.kind.name), "tokens": .int($0.batch), "rows_per_sequence": .int($0.rowsPerSequence),
            "measured_seconds": .double($0.measured), "projected_seconds": .double($0.projected),
            "error": .double($0.error),
          ]
        })
    }
    return [
      "network": ["name": .string(network.name), "between_hosts": network.otherHosts.json],
      "fitted": checks(projector.fitted), "validated": checks(projector.validated),
      "projections": .array(projections.map(json)),
      "auto": .array(
        choices.map { choice in
          guard case .object(var object) = choice.estimate.json else { return .null }
          object["ranks"] = .int(choice.ranks)
          return .object(object)
        }),
    ]
  }

  private func json(_ one: Projection) -> JSONValue {
    var object = JSONObject([
      ("ranks", .int(one.ranks)), ("hosts", .int(one.hosts)), ("layout", .string(one.layout)),
      ("kind", .string(one.kind.name)), ("tokens", .int(one.tokens)), ("placement", .string(one.placement)),
      ("busiest_rank_visits", .double(one.outcome.busiest.visits)),
      ("busiest_rank_experts", .double(one.outcome.busiest.experts)), ("seconds", .double(one.outcome.seconds)),
      ("relative_error", one.error.map { .double($0) } ?? .null), ("tokens_per_second", .double(one.tokensPerSecond)),
      (
        "tokens_per_second_with_drafts", one.step.draftingTokensPerSecond.map { .double($0) } ?? .null
      ),
      ("communication_share", .double(one.share(one.outcome.communicating))),
      ("waiting_share", .double(one.share(one.outcome.waiting))),
      ("bytes_between_hosts", .double(one.outcome.bytesBetweenHosts)),
      ("rank_bytes", one.heldBytes.map { .int($0) } ?? .null), ("limited_by", .string(one.limit)),
    ])
    for (name, value) in StepTable.phases(one.outcome, tokens: one.tokens) { object[name] = value }
    return .object(object)
  }
}
