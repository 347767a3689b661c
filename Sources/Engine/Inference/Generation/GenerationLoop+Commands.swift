import Fabric
import ModelRuntime
import MoEModel
import Telemetry

// All of these are collective with the other ranks' `follow()`.
extension GenerationLoop {
  /// What every rank has counted since the start, or the last `resetAccounts`; steps so far are not forgotten.
  package func collectAccounts() throws -> AccountOfRun { try collect(totalsOnly: false) }

  /// The same without what is kept for traces.
  func collectTotals() throws -> AccountOfRun { try collect(totalsOnly: true) }

  private func collect(totalsOnly: Bool) throws -> AccountOfRun {
    try command(.collectAccounts(totalsOnly: totalsOnly))
    return AccountOfRun(ranks: session.accounts, balances: balances.map(\.layers))
  }

  /// Times messages between all ranks, which takes some seconds.
  package func probeLinks() throws -> [LinkSample] {
    try command(.probeLinks)
    return session.links
  }

  /// What every token chose since the start, or the last `resetAccounts`, where the session records it; rows of all
  /// ranks, sorted.
  package func collectRouting() throws -> RoutingRecord? {
    guard var all = session.engine.routingLog else { return nil }
    try command(.collectRouting)
    for rank in 1..<session.communicator.size {
      let bytes = try session.runtime.reports.receive(from: Rank(rank), limit: ClusterRuntime.reportLimit)
      do { try all.add(bytes) } catch {
        throw InferenceError.malformedOutcome(Rank(rank), "its record of routing ends early")
      }
    }
    return all.record.sorted()
  }

  /// Starts all accounts anew.
  package func resetAccounts() throws {
    try command(.resetAccounts)
    for kind in balances.indices { balances[kind] = Balance(layerCount: session.description.runLayers.count) }
  }

  /// Keeps accounts from now on, or none.
  package func keepAccounts(_ keeps: Bool) throws { try command(.recordAccounts(keeps)) }

  /// Loads another folder's weights in place of those there are, between sequences, and forgets what the attention
  /// cache holds of these. Throws `sequencesUnderWay`, or, on all ranks together, why the folder cannot be loaded: then
  /// the old model stays.
  package func loadModel(_ path: String) throws {
    guard scheduler.running.isEmpty else { throw InferenceError.sequencesUnderWay(scheduler.running.count) }
    try command(.loadModel(path: path))
    scheduler.forgetPrefixes()
  }
}
