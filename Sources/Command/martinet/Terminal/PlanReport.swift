import ExpertParallelism
import Inference
import JSON
import Kernels
import ModelRuntime
import MoEModel
import Projection
import Reports
import Telemetry

/// What `martinet plan` prints.
struct PlanReport {
  let plan: ClusterPlan
  let description: DecoderDescription
  let command: Plan

  var lines: [String] {
    let moe = description.moe
    var lines = [
      """
      \(description.family), \(moe?.expertCount ?? 0) experts in each of \(description.moeLayers.count) \
      layers, weights \(command.weights.rawValue); \(Figures.count(plan.nodeCount, "node")) of \
      \(Figures.decimals(command.memory, 0)) GiB, network \(command.network)
      """
    ]
    if command.forecast.layout == .auto, let obstacle = description.slicingObstacle {
      lines.append("--layout auto: spread, because \(obstacle)")
    }
    lines += plan.options.map(line)
    let fitting = plan.options.filter(\.fits)
    if !fitting.isEmpty {
      lines += StepTable.lines(fitting.flatMap { option in option.steps.map { (name(option), $0) } })
    }
    for option in fitting where command.forecast.layout == .auto && !option.isSliced {
      guard let estimate = option.estimate else { continue }
      lines.append(
        """
        \(ranks(option)): --layout auto would choose \(estimate.isSliced ? "sliced" : "spread"), \
        \(estimate.words(streams: 1))
        """
      )
    }
    if let best = plan.best {
      lines.append(
        """
        estimates from bandwidth and arithmetic at \(Figures.decimals(command.efficiency * 100, 0)) % of them, \
        with \(routing) routing; no run stands behind them
        """
      )
      lines.append("on nodes with this host's processor \(InstructionSet.best.preference)")
      if let note = command.forecast.speculation.options.note(on: description) { lines.append(note) }
      if command.forecast.speculation.speculate != .off, plan.task.drafts == nil {
        lines.append("of drafts only what they take is counted: say with --acceptance how many are right")
      }
      lines.append("start it with")
      lines.append("  " + start(best))
      if command.isBareConfiguration {
        lines.append("with DIR the folder that holds the weights too: \(command.model) alone cannot run")
      }
    } else if let needed = plan.nodesNeeded {
      lines.append(
        """
        it does not fit; \(Figures.count(needed, "node")) of this kind would do, with one rank each; or hold \
        weights in fewer bits (--weights), or less cache (--kv-cache-tokens)
        """
      )
    } else {
      lines.append(
        """
        it does not fit on any number of such nodes: what every rank holds is too much already; hold weights in \
        fewer bits (--weights), or less cache (--kv-cache-tokens)
        """
      )
    }
    return lines
  }

  private var routing: String {
    command.routing != nil
      ? "recorded" : command.forecast.zipf > 0 ? "uneven (--zipf \(command.forecast.zipf))" : "even"
  }

  private func line(_ option: ClusterPlan.Option) -> String {
    let (held, overflows) = option.weightBytes.addingReportingOverflow(option.cacheBytes)
    let need = overflows || held > 1 << 55 ? 1 << 60 : option.ranksPerNode * held
    var line =
      """
        \(ranks(option)): \(experts(option)) a layer each; \(Figures.size(option.weightBytes)) of weights and \
      \(Figures.size(option.cacheBytes)) of cache each, \(Figures.size(need)) a node
      """
    let batch = plan.task.batch
    if let alone = option.step(1)?.outcome, let together = option.step(batch)?.outcome {
      line +=
        """
        ; one sequence \(Figures.decimals(alone.seconds * 1e3, 1)) ms a token, \(batch) sequences \
        \(Figures.decimals(Double(batch) / together.seconds, 1)) tokens/s \
        (\(Figures.decimals(together.seconds * 1e3, 1)) ms a step)
        """
      if let placed = option.placed, command.routing != nil || command.forecast.zipf > 0 {
        line +=
          """
          ; busiest rank \(Figures.decimals(together.busiest.visits, 2)) × visits, \
          \(Figures.decimals(together.busiest.experts, 2)) × experts; placed by load \
          \(Figures.decimals(placed.busiest.visits, 2)) × and \(Figures.decimals(placed.busiest.experts, 2)) ×, \
          \(Figures.decimals(Double(batch) / placed.seconds, 1)) tokens/s
          """
      }
    } else {
      let room = Int(Double(plan.node.memoryBytes) * (1 - ClusterPlan.reservedShare))
      line += "; does not fit: \(Figures.size(room)) of a node can be used, \(Figures.size(need - room)) too little"
    }
    return line
  }

  private func ranks(_ option: ClusterPlan.Option) -> String {
    "\(Figures.count(option.ranksPerNode, "rank")) a node, \(option.ranks) in all"
      + (command.forecast.layout == .spread ? "" : option.isSliced ? ", sliced" : ", spread")
  }

  /// In the table of steps.
  private func name(_ option: ClusterPlan.Option) -> String {
    "\(option.ranks) \(option.isSliced ? "sliced" : "spread")"
  }

  private func experts(_ option: ClusterPlan.Option) -> String {
    if option.isSliced, plan.task.dividesExperts { return "slices of \(plan.task.expertCount) experts" }
    let range = option.experts
    return range.lowerBound == range.upperBound
      ? Figures.count(range.upperBound, "expert") : "\(range.lowerBound) or \(range.upperBound) experts"
  }

  private func start(_ option: ClusterPlan.Option) -> String {
    let place =
      option.ranksPerNode > 1 && option.ranksPerNode == plan.node.numaNodes
      ? "--map-by ppr:1:numa --bind-to numa" : "--map-by ppr:\(option.ranksPerNode):node --bind-to none"
    var further = command.recurrentStates.map { " --recurrent-states \($0)" } ?? ""
    let speculation = command.forecast.speculation
    if speculation.speculate != .off { further += speculation.arguments.map { " " + $0 }.joined() }
    further += command.replicas.arguments.map { " " + $0 }.joined()
    if let placement = command.placement, plan.task.placement?.rankCount == option.ranks {
      further += " --placement \(placement)"
    }
    // Where one of two does not fit, the run must not choose it.
    let choices = plan.options.filter { $0.ranksPerNode == option.ranksPerNode && $0.fits }.count
    if command.forecast.layout == .auto, choices > 1 {
      further += " --layout auto"
    } else if option.isSliced {
      further += " --layout sliced"
    }
    let verb = command.moving.isKept ? (["serve"] + command.moving.arguments).joined(separator: " ") : "generate"
    return
      """
      mpirun --hostfile hosts \(place) -n \(option.ranks) martinet \(verb) --model \
      \(command.isBareConfiguration ? "DIR" : command.model) --weights \(command.weights.rawValue) \
      --kv-cache-tokens \(command.kvCacheTokens) --kv-cache \
      \(command.kvCache.rawValue)\(further)\(command.moving.isKept ? "" : " --prompt \"…\"")
      """
  }

  var json: JSONValue {
    var object = JSONObject([
      ("fits", .bool(plan.best != nil)), ("nodes", .int(plan.nodeCount)),
      ("layouts", .array(plan.options.map(json))),
    ])
    if let drafts = plan.task.drafts { object["tokens_per_drafting_step"] = .double(drafts.tokensPerStep) }
    if let needed = plan.nodesNeeded { object["nodes_needed"] = .int(needed) }
    if let best = plan.best {
      (object["command"], object["needs_model_folder"]) = (.string(start(best)), .bool(command.isBareConfiguration))
    }
    return .object(object)
  }

  private func json(_ option: ClusterPlan.Option) -> JSONValue {
    let (alone, together) = (option.step(1)?.outcome, option.step(plan.task.batch)?.outcome)
    return [
      "ranks_per_node": .int(option.ranksPerNode), "ranks": .int(option.ranks),
      "layout": .string(option.isSliced ? "sliced" : "spread"),
      "experts_least": .int(option.experts.lowerBound),
      "experts_most": .int(option.experts.upperBound), "weight_bytes": .int(option.weightBytes),
      "cache_bytes": .int(option.cacheBytes), "fits": .bool(option.fits),
      "seconds_alone": alone.map { .double($0.seconds) } ?? .null,
      "seconds_together": together.map { .double($0.seconds) } ?? .null,
      "busiest_rank_visits": together.map { .double($0.busiest.visits) } ?? .null,
      "seconds_placed": option.placed.map { .double($0.seconds) } ?? .null,
      "busiest_rank_visits_placed": option.placed.map { .double($0.busiest.visits) } ?? .null,
      "auto": option.estimate.map { $0.json } ?? .null,
      "steps": .array(option.steps.map(StepTable.json)),
    ]
  }
}
