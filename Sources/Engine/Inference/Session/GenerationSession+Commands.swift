import Fabric
import ModelRuntime
import Telemetry

extension GenerationSession {
  /// Does what rank 0 commands until it says stop. For every rank but 0. Collective.
  package func follow() throws {
    try runtime.commands.follow { heard in
      switch heard.command {
      case .step: try engine.follow(&heard)
      case .loadModel, .moveExperts:
        // All ranks fail together and keep the model and the experts they have; rank 0 tells whoever asked.
        do { try carryOut(heard.command) } catch FabricError.peersFailed {}
      default: try carryOut(heard.command)
      }
    }
  }

  /// This rank's part in a command that is no step; on rank 0 after it was sent. Collective.
  func carryOut(_ command: RankCommand) throws {
    switch command {
    case .step: break
    case .stop: engine.releaseAll()
    case .alignClocks: try runtime.clocks.align(communicator)
    case .probeLinks: links = try runtime.probeLinks()
    case .collectAccounts(let totalsOnly):
      accounts = try runtime.exchangeAccounts(model.telemetry, totalsOnly: totalsOnly)
    case .collectRouting:
      if communicator.isRoot {
        try runtime.reports.open()
      } else {
        try runtime.reports.send(engine.routingLog?.encoded() ?? [])
      }
    case .resetAccounts:
      model.telemetry.reset()
      engine.routingLog?.clear()
    case .recordAccounts(let records): model.telemetry.recorder.isEnabled = records
    case .loadModel(let path): try replaceModel(path)
    case .moveExperts(let moves): try moveExperts(moves)
    }
  }
}
