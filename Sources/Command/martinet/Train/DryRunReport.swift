import DistributedTraining
import JSON
import MoEModel
import Reports
import Training

/// What `--dry-run` says of a training: memory, disk, time and cost.
struct DryRunReport {
  let costs: TrainingCosts
  let forecast: TrainingForecast
  /// Bytes that a rank's program holds already.
  let resident: Int?

  private var work: TrainingWork {
    TrainingWork(costs.layout.description, sequenceLength: costs.settings.sequenceLength)
  }

  var lines: [String] {
    let (terms, disk) = (costs.layout.terms, costs.budget.disk)
    let (rank, memory) = TrainingMemory.busiest(costs.layout)
    var lines = [
      """
      \(Quantities.count(Double(work.parameterCount))) parameters, of which a token meets \
      \(Quantities.count(Double(work.activeElements))); \(Quantities.operations(work.operations)) a token
      """,
      """
      \(Figures.count(forecast.steps, "step")) of \(Figures.count(terms.sequences, "sequence")) of \
      \(terms.sequenceLength) tokens, \(Quantities.count(forecast.tokens)) tokens in all
      """,
      """
      memory of rank \(rank), which holds most\(assumptions): \(Figures.size(memory.total))
      """
        + (resident.map { ", beside \(Figures.size($0)) that the program holds already" } ?? ""),
    ]
    lines += MemoryTable.lines(memory)
    lines += [
      """
      disk: \(Figures.size(disk.total)) for \(Figures.count(disk.kept, "checkpoint")) of \
      \(Figures.size(disk.modelBytes)) (model) and \(Figures.size(disk.stateBytes)) (state), and one that is being \
      written
      """
        + (DiskSpace.available(at: costs.settings.folder).map { "; \(Figures.size($0)) free" } ?? ""),
      """
      speed: \(Quantities.count(forecast.tokensPerSecond, 1)) tokens/s, \
      \(Figures.decimals(100 * forecast.utilization, 1)) % (MFU) of the \
      \(Figures.decimals(forecast.peak / 1e9, 1)) GFLOP/s that all ranks do; probed in products of this shape and \
      in what moves its rows
      """,
      """
      time: \(Quantities.time(forecast.seconds)) on \(Figures.count(forecast.nodes, "node")), without checkpoints \
      and scores of held-out data
      """,
    ]
    return lines + CostTable([("this training", forecast.cost(costs.rates))]).lines
  }

  /// What the account of memory takes to be so.
  private var assumptions: String {
    let all = [
      costs.layout.description.moe == nil ? nil : "even routing",
      costs.layout.terms.leaves == nil ? nil : "completions of full length",
    ].compactMap(\.self)
    return all.isEmpty ? "" : ", with \(all.joined(separator: " and "))"
  }

  var json: JSONValue {
    let disk = costs.budget.disk
    let (rank, memory) = TrainingMemory.busiest(costs.layout)
    return [
      "parameters": .int(work.parameterCount), "active_parameters": .int(work.activeElements),
      "flops_per_token": .double(work.operations), "steps": .int(forecast.steps), "tokens": .double(forecast.tokens),
      "memory": MemoryTable.json(memory, rank: rank), "resident_bytes": resident.map { .int($0) } ?? .null,
      "disk": [
        "total_bytes": .int(disk.total), "checkpoint_bytes": .int(disk.checkpointBytes), "kept": .int(disk.kept),
        "available_bytes": DiskSpace.available(at: costs.settings.folder).map { .int($0) } ?? .null,
      ],
      "peak_flops": .double(forecast.peak), "mfu": .double(forecast.utilization),
      "tokens_per_second": .double(forecast.tokensPerSecond), "seconds": .double(forecast.seconds),
      "nodes": .int(forecast.nodes), "cost": CostTable([("this training", forecast.cost(costs.rates))]).json,
    ]
  }
}

/// A rank's memory by part.
enum MemoryTable {
  static func lines(_ memory: TrainingMemory) -> [String] {
    let width = TrainingMemory.Part.allCases.map(\.label.count).max() ?? 0
    return TrainingMemory.Part.allCases.filter { memory.byteCount($0) > 0 }.map { part in
      "  " + part.label.padding(to: width) + right(Figures.size(memory.byteCount(part)), 12)
    }
  }

  static func json(_ memory: TrainingMemory, rank: Int) -> JSONValue {
    let parts = TrainingMemory.Part.allCases.map { ($0.rawValue, JSONValue.int(memory.byteCount($0))) }
    return ["rank": .int(rank), "total_bytes": .int(memory.total), "parts": .object(JSONObject(parts))]
  }
}
