import JSON
import Telemetry

extension TrainingReport {
  /// Raised whenever a reader of the last version would be misled.
  package static let schemaVersion = 1

  /// The report as `benchmarks/reports.md` describes it.
  package var json: JSONValue {
    var object = JSONObject([
      ("schema", "martinet-training-report"), ("version", .int(Self.schemaVersion)),
      ("program", .string(subject.program)), ("date", .string(subject.date)),
      ("command", .array(subject.command.map { .string($0) })),
      (
        "model",
        [
          "name": .string(subject.model), "family": .string(subject.family), "hidden_size": .int(subject.hiddenSize),
          "layers": .int(subject.layerCount), "experts": .int(subject.expertCount),
          "experts_per_token": .int(subject.expertsPerToken),
        ]
      ),
      ("instruction_set", .string(subject.instructionSet)), ("peak_operations_per_second", .double(finite(peak))),
      ("step", .int(history.lastStep ?? 0)), ("steps", .int(stepCount)), ("tokens", .int(tokens)),
      ("skipped_steps", .int(skippedCount)), ("skipped_because", .string(skippedBecause)),
      ("recipe", recipe), ("history", history.json),
      ("phases", .array(phases.map { .string($0.name) })),
      ("phases_of_a_step", .array(phases.filter(\.isOfStep).map { .string($0.name) })),
      ("pass_phases", .array(Telemetry.Phase.allCases.map { .string($0.name) })),
      (
        "sent",
        .array(
          traffic.map {
            [
              "kind": .string($0.name), "bytes": .int($0.bytes), "messages": .int($0.messages),
              "least_bytes": .int($0.least),
            ]
          })
      ),
      ("ranks", .array(zip(ranks, passes).map { json($0, $1) })),
      (
        "tables",
        .array(
          tables.map { table in
            [
              "title": .string(table.title), "note": .string(table.note),
              "header": .array(table.header.map { .string($0) }),
              "rows": .array(table.rows.map { .array($0.map { .string($0) }) }),
            ]
          })
      ),
    ])
    if let failure { object["failure"] = .string(failure) }
    return .object(object)
  }

  private func finite(_ value: Double) -> Double { value.isFinite ? value : 0 }

  private func json(_ rank: Rank, _ account: RankAccount) -> JSONValue {
    func seconds(_ values: [Double]) -> JSONValue {
      .object(JSONObject(zip(phases, values).map { ($0.name, .double($1 / 1e9)) }))
    }
    var account = account
    (account.spans, account.messages) = ([], [])
    var object = account.json.object ?? JSONObject()
    for (kind, name) in Self.passNames {
      let pass = object[kind.name]
      object[kind.name] = nil
      object[name] = pass
    }
    object["steps"] = .int(rank.steps)
    object["wall_seconds"] = .double(rank.wall / 1e9)
    object["phase_seconds"] = seconds(rank.time)
    object["waiting_seconds"] = seconds(rank.waiting)
    return .object(object)
  }
}
