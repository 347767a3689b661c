import EngineAPI
import JSON

/// How the server is at one moment, as `/health` and `/ready` tell it.
struct EngineCondition {
  let isReady: Bool
  /// Whether nothing but a new start will help.
  let isLost: Bool
  let details: JSONObject

  init(_ server: ModelServer) {
    let (engine, now) = (server.engine, ContinuousClock.now)
    let (state, stall, isDraining) = (engine.state, engine.stall, server.admission.isDraining)
    isReady = state == .ready && stall == nil && !isDraining
    isLost = if case .failed = state { true } else { false }
    let name = isLost ? state.name : isDraining ? "draining" : state == .ready && stall != nil ? "stalled" : state.name
    var details = JSONObject([("state", .string(name))])
    switch state {
    case .loading(let bytes, let all):
      (details["bytes"], details["of"]) = (.int(bytes), .int(all))
      details["reason"] = engine.startTrouble.map { .string($0) }
    case .restarting(let reason, let attempt):
      (details["reason"], details["attempt"]) = (.string(reason), .int(attempt))
      if let began = engine.outageBegan { details["seconds"] = .int(Int((now - began).components.seconds)) }
      details["start"] = engine.startTrouble.map { .string($0) }
    case .failed(let reason): details["reason"] = .string(reason)
    case .ready, .stopped: break
    }
    if let stall, !isLost {
      details["reason"] = .string(stall.words(at: now))
      details["stall"] = [
        "rank": .int(stall.rank), "host": .string(stall.host), "place": .string(stall.place),
        "waiting_for": .array(stall.waitingFor.map { .int($0) }),
        "seconds": .int(Int((now - stall.since).components.seconds)),
      ]
    }
    self.details = details
  }
}
