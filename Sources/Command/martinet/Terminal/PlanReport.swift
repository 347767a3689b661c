import JSON
import Kernels
import MoEModel
import Projection
import Reports

/// What `martinet plan` prints.
struct PlanReport {
  let plan: ClusterPlan
  let description: DecoderDescription
  let command: Plan

  var lines: [String] {
    let mixture = description.mixture
    var lines = [
      "\(description.family), \(mixture?.expertCount ?? 0) experts in each of \(description.mixtureLayers.count) layers, weights \(command.weights.rawValue); \(Figures.count(plan.nodeCount, "node")) of \(Figures.decimals(command.memory, 0)) GiB, network \(command.network)"
    ]
    for option in plan.options {
      let need = option.ranksPerNode * (option.weightBytes + option.cacheBytes)
      var line =
        "  \(Figures.count(option.ranksPerNode, "rank")) a node, \(option.ranks) in all: \(experts(option)) a layer each; \(Figures.size(option.weightBytes)) of weights and \(Figures.size(option.cacheBytes)) of cache each, \(Figures.size(need)) a node"
      if let alone = option.alone, let together = option.together {
        line +=
          "; one sequence \(Figures.decimals(alone.seconds * 1e3, 1)) ms a token, \(command.batch) sequences \(Figures.decimals(Double(command.batch) / together.seconds, 1)) tokens/s (\(Figures.decimals(together.seconds * 1e3, 1)) ms a step)"
        if let placed = option.placed, command.routing != nil {
          line +=
            "; busiest rank \(Figures.decimals(together.busiest.visits, 2)) × visits, \(Figures.decimals(together.busiest.experts, 2)) × experts; placed by load \(Figures.decimals(placed.busiest.visits, 2)) × and \(Figures.decimals(placed.busiest.experts, 2)) ×, \(Figures.decimals(Double(command.batch) / placed.seconds, 1)) tokens/s"
        }
      } else {
        let room = Int(Double(plan.node.memoryBytes) * (1 - ClusterPlan.reservedShare))
        line += "; does not fit: \(Figures.size(room)) of a node can be used, \(Figures.size(need - room)) too little"
      }
      lines.append(line)
    }
    if let best = plan.best {
      lines.append(
        "estimates from bandwidth and arithmetic at \(Figures.decimals(command.efficiency * 100, 0)) % of them, with \(command.routing == nil ? "even" : "recorded") routing; no run stands behind them"
      )
      lines.append("start it with")
      lines.append("  " + start(best))
      if command.isBareConfiguration {
        lines.append("with DIR the folder that holds the weights too: \(command.model) alone cannot run")
      }
    } else if let needed = plan.nodesNeeded {
      lines.append(
        "it does not fit; \(Figures.count(needed, "node")) of this kind would do, with one rank each; or hold weights in fewer bits (--weights), or less cache (--kv-cache-tokens)"
      )
    } else {
      lines.append(
        "it does not fit on any number of such nodes: what every rank holds is too much already; hold weights in fewer bits (--weights), or less cache (--kv-cache-tokens)"
      )
    }
    return lines
  }

  private func experts(_ option: ClusterPlan.Option) -> String {
    let range = option.experts
    return range.lowerBound == range.upperBound
      ? Figures.count(range.upperBound, "expert") : "\(range.lowerBound) or \(range.upperBound) experts"
  }

  private func start(_ option: ClusterPlan.Option) -> String {
    let place =
      option.ranksPerNode == 1 ? "--map-by ppr:1:node --bind-to none" : "--map-by ppr:1:numa --bind-to numa"
    var further = command.recurrentStates.map { " --recurrent-states \($0)" } ?? ""
    if command.speculate != .off { further += " --speculate \(command.speculate.rawValue)" }
    if command.replicaMemory > 0 { further += " --replica-memory \(command.replicaMemory)" }
    return
      "mpirun --hostfile hosts \(place) -n \(option.ranks) martinet generate --model \(command.isBareConfiguration ? "DIR" : command.model) --weights \(command.weights.rawValue) --kv-cache-tokens \(command.kvCacheTokens) --kv-cache \(command.kvCache.rawValue)\(further) --prompt \"…\""
  }

  var json: JSONValue {
    var object = JSONObject([
      ("fits", .bool(plan.best != nil)), ("nodes", .int(plan.nodeCount)),
      (
        "layouts",
        .array(
          plan.options.map { option in
            [
              "ranks_per_node": .int(option.ranksPerNode), "ranks": .int(option.ranks),
              "experts_least": .int(option.experts.lowerBound),
              "experts_most": .int(option.experts.upperBound), "weight_bytes": .int(option.weightBytes),
              "cache_bytes": .int(option.cacheBytes), "fits": .bool(option.fits),
              "seconds_alone": option.alone.map { .double($0.seconds) } ?? .null,
              "seconds_together": option.together.map { .double($0.seconds) } ?? .null,
              "busiest_rank_visits": option.together.map { .double($0.busiest.visits) } ?? .null,
              "seconds_placed": option.placed.map { .double($0.seconds) } ?? .null,
              "busiest_rank_visits_placed": option.placed.map { .double($0.busiest.visits) } ?? .null,
            ]
          })
      ),
    ])
    if let needed = plan.nodesNeeded { object["nodes_needed"] = .int(needed) }
    if let best = plan.best {
      (object["command"], object["needs_model_folder"]) = (.string(start(best)), .bool(command.isBareConfiguration))
    }
    return .object(object)
  }
}
