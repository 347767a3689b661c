import ExpertParallelism
import Inference
import ModelRuntime
import MoEModel
import Projection
import Reports
import Telemetry

/// The settings that `martinet project` goes through, and what each comes to.
struct ProjectionCases {
  let command: Project
  let projector: Projector
  let network: Network
  let reports: [RunReport]
  let target: ProjectedModel?
  let routing: RoutingRecord
  /// Whether `routing` is another than the projector's.
  let isMadeUp: Bool

  private var forecast: ForecastOptions { command.forecast }
  private var otherWork: ModelWork? { target.flatMap { $0.isOther ? $0.description.work : nil } }
  private var rowBytes: RowBytes {
    command.rowBytes(
      hiddenSize: target?.description.hiddenSize ?? reports[0].subject.hiddenSize, measured: reports[0].subject)
  }

  /// Steps of all ranks, layouts, placements and batches asked for.
  func all() throws -> [Projection] {
    let given = try command.placement.map { path in
      let file = try PlacementOptions.read(path)
      try file.check(
        expertCount: routing.expertCount, layers: routing.layers, modules: PlacementFile.modules(after: routing.layers),
        rankCount: file.placement.rankCount, path: path)
      return file.placement
    }
    let drafts = try drafts()
    if forecast.speculation.speculate != .off, drafts == nil {
      throw ProjectionError.nothingMeasured(
        path: command.reportJson, reason: "its runs tried no drafts: say with --acceptance how many are right")
    }
    var found: [Projection] = []
    for count in try command.rankCounts() {
      for asked in forecast.layouts where count > 1 || !asked || forecast.layout == .sliced {
        // One rank has nothing to share out.
        let isSliced = asked && count > 1
        // What a rank holds does not depend on the batch.
        var held: [String: Int] = [:]
        let prefill = command.prefillTokens * (isSliced ? 1 : count)
        let cases = [(StepKind.prefill, prefill)] + (try command.batches()).map { (StepKind.decode, $0) }
        for (kind, tokens) in cases {
          for (name, placement) in placements(given, ranks: count, tokens: tokens) {
            // Experts stay whole where it is said who has which.
            let divides = name == "plain"
            let layout = Layout(
              rankCount: count, ranksPerHost: command.ranksPerHost, expertCount: routing.expertCount,
              placement: placement)
            let terms = terms(kind, tokens, isSliced: isSliced, dividesExperts: divides)
            guard let outcome = projector.project(layout, network: network, terms) else { continue }
            if held[name] == nil, let target {
              held[name] = try target.heldBytes(placement, isSliced: isSliced, dividesExperts: divides)
            }
            var one = Projection(
              ranks: count, hosts: layout.hostCount, isSliced: isSliced, kind: kind, tokens: tokens,
              placement: name, outcome: outcome, error: error(kind, isSliced: isSliced))
            one.heldBytes = held[name]
            if kind == .decode, let drafts {
              var drafting = terms
              (drafting.predicts, drafting.rowsPerSequence) = (drafts.predicts, drafts.rowsPerSequence)
              drafting.batch = tokens * drafts.rowsPerSequence
              one.drafting = projector.project(layout, network: network, drafting)
              one.tokensPerDraftingStep = drafts.tokensPerStep
            }
            found.append(one)
          }
        }
      }
    }
    guard forecast.layout != .sliced || !found.isEmpty else {
      throw ProjectionError.nothingMeasured(
        path: command.reportJson, reason: "it does not say what its ranks would exchange: give --model, its own model")
    }
    return found
  }

  private func drafts() throws -> Drafts? {
    let predicts = target?.description.predicts ?? (reports[0].subject.work?.modules ?? 0 > 0)
    let guesses = target?.description.blockDrafting?.blockSize ?? 1
    return try forecast.drafts(predicts: predicts, guesses: guesses, reports: reports, path: command.reportJson)
  }

  private func terms(_ kind: StepKind, _ tokens: Int, isSliced: Bool, dividesExperts: Bool) -> Projector.Terms {
    var terms = Projector.Terms(kind: kind, batch: tokens, rowBytes: rowBytes)
    (terms.isSliced, terms.dividesExperts, terms.speed) = (isSliced, dividesExperts, command.speed)
    (terms.model, terms.routing) = (otherWork, isMadeUp ? routing : nil)
    return terms
  }

  private func error(_ kind: StepKind, isSliced: Bool) -> Double? {
    isMadeUp || otherWork != nil || command.speed != 1 ? nil : projector.expectedError(kind, isSliced: isSliced)
  }

  /// The plain placement, and beside it those that were asked for.
  private func placements(_ given: ModelPlacement?, ranks count: Int, tokens: Int) -> [(String, ModelPlacement)] {
    let plain = ModelPlacement(expertCount: routing.expertCount, rankCount: count)
    var placements = [("plain", plain)]
    if let given, given.rankCount == count { placements.append(("given", given)) }
    if let replicaMemory = command.replicaMemory, count > 1 {
      let planner = PlacementPlanner(
        expertCount: routing.expertCount, layerCount: routing.layers.count, rankCount: count,
        replicaShare: replicaMemory / 100)
      placements.append(("by load", planner.plan(routing.loads(tokensPerStep: tokens), from: plain)))
    }
    return placements
  }

  /// What a run's `--layout auto` would choose in which nothing is said of which rank holds which experts, for each
  /// number of ranks; none where it is not asked for.
  func choices() throws -> [(ranks: Int, estimate: LayoutEstimate)] {
    guard forecast.layout == .auto else { return [] }
    let compute = projector.compute(terms(.decode, 1, isSliced: false, dividesExperts: true))
    let work = compute.work
    guard !work.exchanges.isEmpty else { return [] }
    // All that is no routed expert, read once.
    let (layers, moeLayers) = (Double(work.layers), Double(work.moeLayers))
    let read =
      layers * compute.attention.perMemory + (layers - moeLayers) * compute.dense.perMemory
      + moeLayers * (compute.shared.perMemory + compute.gate.fixed) + compute.outside.perMemory
    return try command.rankCounts().filter { $0 > 1 }.map { count in
      let layout = Layout(rankCount: count, ranksPerHost: command.ranksPerHost, expertCount: 0)
      return (
        count,
        LayoutEstimate(
          work, readSeconds: read, hostOfRank: layout.hostOfRank, streams: 1, dividesExperts: true,
          far: layout.hostCount > 1 ? network.otherHosts : nil, near: network.sameHost)
      )
    }
  }
}
