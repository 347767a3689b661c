import JSON
import Telemetry

extension RunReport {
  /// Raised whenever a reader of the last version would be misled.
  package static let schemaVersion = 1

  /// The report as `benchmarks/reports.md` describes it.
  package var json: JSONValue {
    var object = JSONObject([
      ("schema", "martinet-report"), ("version", .int(Self.schemaVersion)), ("program", .string(subject.program)),
      ("date", .string(subject.date)), ("command", .array(subject.command.map { .string($0) })),
      (
        "model",
        [
          "name": .string(subject.model), "family": .string(subject.family), "hidden_size": .int(subject.hiddenSize),
          "layers": .int(subject.layerCount), "experts": .int(subject.expertCount),
          "experts_per_token": .int(subject.expertsPerToken),
        ]
      ),
      ("instruction_set", .string(subject.instructionSet)), ("row_bytes", .int(subject.rowBytes)),
      ("sum_bytes", .int(subject.sumBytes)),
      ("phases", .array(Phase.allCases.map { .string($0.name) })),
    ])
    if let work = subject.work, case .object(var model)? = object["model"] {
      model["parameters"] = work.json
      object["model"] = .object(model)
    }
    for kind in kinds { object[kind.name] = json(figures(kind)) }
    if let speculation { object["speculation"] = speculation.json }
    object["link_models"] = .object(JSONObject(linkModels.map { ($0.link.name, $0.model.json) }))
    object["link_samples"] = .array(links.map(\.json))
    if let placement { object["placement"] = placement }
    object["ranks"] = .array(account.ranks.map(\.json))
    return .object(object)
  }

  private func json(_ figures: KindFigures) -> JSONValue {
    func phases(_ values: [Double]) -> JSONValue {
      .object(JSONObject(zip(Phase.allCases, values).map { ($0.name, .double($1 / 1e9)) }))
    }
    return [
      "steps": .int(figures.steps), "tokens": .int(figures.tokens), "seconds": .double(figures.seconds),
      "tokens_per_second": .double(figures.tokensPerSecond),
      "tokens_per_second_runs": .array(rates[figures.kind.rawValue].map { .double($0) }),
      "busiest_rank_visits": .double(busiest(figures.kind).visits),
      "busiest_rank_experts": .double(busiest(figures.kind).experts),
      "mean_wall_seconds": .double(figures.wall / 1e9),
      "phase_seconds": phases(figures.time), "late_seconds": phases(figures.late),
      "exposed_communication_share": .double(figures.exposedShare), "waiting_share": .double(figures.waitingShare),
      "overlap_ratio": figures.overlap.map { .double($0) } ?? .null,
      "phase_coverage": .double(figures.coverage),
      "same_host": figures.sameHost.json, "other_hosts": figures.otherHosts.json,
      "minimum_bytes_between_ranks": .int(figures.minimumBetweenRanks),
      "minimum_bytes_between_hosts": .int(figures.minimumBetweenHosts),
      "balance": .array(
        account.balances[figures.kind.rawValue].map {
          [
            "steps": .int($0.steps), "max_visits": .double($0.maxVisits), "mean_visits": .double($0.meanVisits),
            "max_experts": .double($0.maxExperts), "mean_experts": .double($0.meanExperts),
          ]
        }),
    ]
  }
}
