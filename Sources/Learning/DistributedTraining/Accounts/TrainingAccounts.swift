import Fabric
import JSON
import ModelRuntime
import Telemetry

/// What all ranks of a training counted since it began; by rank.
package struct TrainingAccounts: Sendable {
  /// Of the passes, by layer; what was sent in them and in reductions.
  package var passes: [RankAccount]
  package var times: [TrainingTimes]
  package var traffic: TrainingTraffic
}

extension TrainingLoop {
  /// Has this rank keep the latest spans of its phases, up to so many of each kind: for a trace.
  package func keepSpans(_ count: Int) {
    model.telemetry.recorder.keepSpans(count)
    trainer.clock.keepSpans(count)
  }

  /// What all ranks have counted so far, on rank 0; without single spans where `totalsOnly`. Collective.
  package func collectAccounts(totalsOnly: Bool) throws -> TrainingAccounts? {
    let passes = try runtime.exchangeAccounts(model.telemetry, totalsOnly: totalsOnly)
    var own = trainer.clock.times
    if !totalsOnly { own.spans = trainer.clock.keptSpans }
    let all = try communicator.gather(Array(own.json.text().utf8), to: Rank(0))
    guard let all else { return nil }
    var times: [TrainingTimes] = []
    for (rank, bytes) in all.enumerated() {
      do { times.append(try TrainingTimes(json: try JSONValue(parsing: bytes))) } catch {
        throw RuntimeError.malformedAccount(Rank(rank), "\(error)")
      }
    }
    return TrainingAccounts(passes: passes, times: times, traffic: trainer.traffic)
  }
}
