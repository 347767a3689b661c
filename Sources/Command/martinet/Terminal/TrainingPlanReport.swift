import DistributedTraining
import Gradients
import JSON
import MoEModel
import Reports
import Training

/// What `martinet plan --train` prints.
struct TrainingPlanReport {
  let plan: ClusterTraining
  let task: ClusterTraining.Task
  let description: DecoderDescription
  let disk: DiskSpace
  let command: Plan

  private var work: TrainingWork { TrainingWork(description, sequenceLength: task.sequenceLength) }
  private var rates: TrainingCost.Rates { command.training.node.rates }
  /// What else decides memory and time.
  private var further: String {
    (task.products == .bfloat16 ? ", products in bf16" : "")
      + (description.predicts ? ", with a multi-token prediction module" : "")
  }

  var lines: [String] {
    var lines = [
      """
      \(description.family): \(Quantities.count(Double(work.parameterCount))) parameters, of which a token meets \
      \(Quantities.count(Double(work.activeElements))); \(Quantities.operations(work.operations)) a token in \
      sequences of \(task.sequenceLength)
      """,
      """
      \(Quantities.count(task.tokens)) tokens in \(Quantities.count(Double(task.steps))) steps of \
      \(task.sequences) sequences, \(task.optimizer.rawValue)\(further); \(Figures.count(command.nodes, "node")) \
      of \(Figures.decimals(command.memory, 0)) GiB and \(Figures.count(command.cores, "core")), network \
      \(command.network)
      """,
    ]
    lines += plan.options.map(line)
    guard let best = plan.best ?? plan.options.first else { return lines }
    lines.append(
      """
      memory of rank \(best.rank) of \(best.ranks), which holds \
      most\(description.moe == nil ? "" : ", with even routing")
      """
    )
    lines += MemoryTable.lines(best.memory)
    lines.append(
      """
      disk: \(Figures.size(disk.total)) for \(Figures.count(disk.kept, "checkpoint")) of \
      \(Figures.size(disk.checkpointBytes)), and one that is being written
      """
    )
    guard plan.best != nil else { return lines + [shortage] }
    let forecast = best.forecast
    lines += [
      """
      time: \(Quantities.time(forecast.seconds)) at \(Quantities.count(forecast.tokensPerSecond, 1)) tokens/s; an \
      estimate: \(Figures.decimals(100 * task.utilization, 0)) % \
      (--mfu\(task.recomputes ? ", less a third for what is computed again" : "")) of \
      \(Quantities.operations(forecast.peak))/s of all nodes (--arithmetic), and \
      \(Figures.decimals(100 * best.exchangeShare, 1)) % of the time for messages, none of which is hidden; \
      without checkpoints and scores
      """
    ]
    return lines + CostTable([("this training", forecast.cost(rates))]).lines
  }

  private func line(_ option: ClusterTraining.Option) -> String {
    let need = Double(option.memory.least) * Double(option.ranksPerNode)
    var line =
      """
        \(Figures.count(option.ranksPerNode, "rank")) a node, \(option.ranks) in all: \
      \(Figures.size(option.memory.least)) each, \(Figures.size(Int(min(need, 4e18)))) a node
      """
    if option.fits {
      line +=
        """
        ; \(Quantities.count(option.forecast.tokensPerSecond, 1)) tokens/s, \
        \(Quantities.time(option.forecast.seconds))
        """
    } else {
      line += "; does not fit: \(Figures.size(plan.room)) of a node can be used"
    }
    return line
  }

  private var shortage: String {
    guard let needed = plan.nodesNeeded else {
      return
        """
        it does not fit on \(ClusterTraining.mostNodes) such nodes: \
        \(task.recomputes ? "" : "compute activations again (--recompute), ")lower --sequence-length or \
        --batch-sequences, or take nodes with more memory
        """
    }
    return
      """
      it does not fit; \(Figures.count(needed, "node")) of this kind would do, with one rank each; or \
      \(task.recomputes ? "" : "compute activations again (--recompute), ")lower --batch-sequences or \
      --sequence-length
      """
  }

  var json: JSONValue {
    var object = JSONObject([
      ("fits", .bool(plan.best != nil)), ("nodes", .int(command.nodes)), ("parameters", .int(work.parameterCount)),
      ("active_parameters", .int(work.activeElements)), ("products", .string(task.products.rawValue)),
      ("predicts", .bool(description.predicts)), ("flops_per_token", .double(work.operations)),
      ("steps", .int(task.steps)), ("tokens", .double(task.tokens)), ("mfu", .double(task.utilization)),
      ("disk_bytes", .int(disk.total)), ("layouts", .array(plan.options.map(layout))),
    ])
    if let needed = plan.nodesNeeded { object["nodes_needed"] = .int(needed) }
    if let best = plan.best {
      object["ranks"] = .int(best.ranks)
      object["cost"] = CostTable([("this training", best.forecast.cost(rates))]).json
    }
    return .object(object)
  }

  private func layout(_ option: ClusterTraining.Option) -> JSONValue {
    [
      "ranks_per_node": .int(option.ranksPerNode), "ranks": .int(option.ranks), "fits": .bool(option.fits),
      "memory": MemoryTable.json(option.memory, rank: option.rank),
      "tokens_per_second": .double(option.forecast.tokensPerSecond), "seconds": .double(option.forecast.seconds),
      "exchange_share": .double(option.exchangeShare),
    ]
  }
}
