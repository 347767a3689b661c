import ExpertParallelism
import Fabric
import ModelRuntime
import MoEModel
import Telemetry

/// What moving experts did.
package struct RebalanceReport: Sendable, Equatable {
  /// What the busiest rank had over the mean, of visits and of distinct experts of a step: expected before and after.
  package var visitsBefore = 1.0
  package var visitsAfter = 1.0
  package var expertsBefore = 1.0
  package var expertsAfter = 1.0
  /// Experts that were sent to another rank, and replicas that there are in all.
  package var moved = 0
  package var replicas = 0
  package init() {}
}

// Moving is collective with the other ranks' `follow()`.
extension GenerationLoop {
  /// Bytes of weights that a rank takes in between two steps, at most, but for a single expert.
  private static let roundBytes = 64 << 20

  /// How often each expert was visited since the start, or the last `resetAccounts`; nil in a dense model.
  package func collectLoads() throws -> ExpertLoads? {
    guard session.description.moe != nil else { return nil }
    return try collectTotals().loads(
      layers: session.description.moeLayers, expertCount: session.model.placement.expertCount)
  }

  /// Plans a placement from these visits, and begins to move towards it: `moveNext` does so round by round, between
  /// steps. Throws `cannotMove` where there is nothing to plan from, or no room to move in.
  package func beginRebalance(_ loads: ExpertLoads) throws(RuntimeError) {
    let model = session.model
    guard model.spareExperts.allSatisfy({ $0 > 0 }) else {
      throw .cannotMove("no rank has room to move them in; start with --rebalance on or auto")
    }
    guard session.communicator.size > 1 else { throw .cannotMove("there is one rank only") }
    guard loads.total > 0 else { throw .cannotMove("no token has visited an expert yet") }
    let target = model.planner.plan(loads, from: model.placement)
    var report = RebalanceReport()
    (report.visitsBefore, report.expertsBefore) = PlacementPlanner.meanFactors(loads, model.placement)
    (report.visitsAfter, report.expertsAfter) = PlacementPlanner.meanFactors(loads, target)
    report.replicas = target.replicaCount
    rebalance = Rebalance(
      transition: PlacementTransition(
        from: model.placement, to: target, layers: loads.layers, free: model.spareExperts,
        limit: Self.roundBytes / max(1, model.expertByteCount)), report: report)
  }

  /// What the placement that is being moved to promises.
  var expectedBalance: RebalanceReport? { rebalance?.report }

  /// Leaves the placement as it is now.
  func endRebalance() { rebalance = nil }

  /// Whether experts are on their way to another placement.
  package var isRebalancing: Bool { rebalance != nil }

  /// Carries out the next round; the report once the placement is reached, nil before. Sequences under way go on with
  /// the next step. Throws why experts cannot be moved: then those of the rounds before stay where they are, which is a
  /// whole placement.
  package func moveNext() throws -> RebalanceReport? {
    guard var rebalance else { return nil }
    self.rebalance = nil
    let round = rebalance.transition.nextRound()
    guard !round.isEmpty else {
      guard rebalance.transition.isDone else {
        throw RuntimeError.cannotMove("the ranks have no room to go on; those that have moved stay where they are now")
      }
      return finish(rebalance)
    }
    let placement = session.model.placement
    let sent = round.reduce(0) { sum, move in
      sum + move.holders.count { !placement.holds(layer: move.layer, expert: move.expert, $0) }
    }
    try command(.moveExperts(round))
    rebalance.report.moved += sent
    expertsMoved += sent
    rebalance.transition.finish(round)
    if rebalance.transition.isDone { return finish(rebalance) }
    self.rebalance = rebalance
    return nil
  }

  private func finish(_ rebalance: Rebalance) -> RebalanceReport {
    rebalances += 1
    return rebalance.report
  }

  /// What ranks hold now, with the visits that were counted so far.
  package func placementFile(model: String) throws -> PlacementFile? {
    guard let loads = try collectLoads() else { return nil }
    return PlacementFile(
      model: model, placement: session.model.placement, layers: session.description.moeLayers, loads: loads)
  }

  /// The placement that these visits suggest for this run's ranks and memory.
  package func plannedPlacement(_ loads: ExpertLoads) -> ModelPlacement {
    session.model.planner.plan(loads, from: session.model.placement)
  }
}

/// Experts on their way.
struct Rebalance {
  var transition: PlacementTransition
  var report: RebalanceReport
}

extension AccountOfRun {
  /// How often each expert was visited, on whichever rank, by tokens that were kept; `layers` are those that have
  /// experts.
  package func loads(layers: [Int], expertCount: Int) -> ExpertLoads {
    let visits = layers.map { self.visits(layer: $0, expertCount: expertCount).map(Double.init) }
    let steps = ranks.first?.kinds.reduce(0) { $0 + $1.steps } ?? 0
    return ExpertLoads(layers: layers, visits: visits, steps: Double(steps))
  }
}
