import Fabric
import Foundation
import JSON
import MoEModel
import Telemetry
import Testing

@testable import DistributedTraining

/// What a training counts of its steps.
struct AccountTests {
  private struct Outcome: Sendable {
    var times: TrainingTimes
    var steps: [TrainingStepTime]
    var traffic: TrainingTraffic
    var account: RankAccount
  }

  /// Two steps of four sequences, and a score that is not to be counted.
  private func run(_ name: String, ranks: Int) throws -> [Outcome] {
    var training = TinyTraining(name)
    training.sequences = 4
    let settings = training
    return try LocalFabric.run(size: ranks) { communicator in
      let trainer = try settings.trainer(communicator)
      trainer.clock.keepSpans(1000)
      let steps = try (1...2).map { number in
        _ = try settings.step(number, trainer, rate: 1e-3)
        return trainer.stepTime
      }
      _ = try trainer.score(leafCount: 4, rows: { _ in settings.length }) {
        settings.read($0, vocabulary: trainer.model.description.vocabularySize, into: &$1)
      }
      let account = RankAccount(trainer.telemetry)
      var times = trainer.clock.times
      times.spans = trainer.clock.keptSpans
      return Outcome(times: times, steps: steps, traffic: trainer.traffic, account: account)
    }
  }

  @Test func phasesAddUpToTheirSteps() throws {
    for outcome in try run("deepseek_v3", ranks: 2) {
      let times = outcome.times
      #expect(times.steps == 2 && times.time.reduce(0, +) == times.wall)
      for phase in TrainingPhase.allCases {
        let isOfText = phase.isOfStep && phase != .rollout && phase != .reward
        #expect((times.time[phase.rawValue] > 0) == isOfText, "\(phase)")
        #expect(times.waiting[phase.rawValue] <= times.time[phase.rawValue], "\(phase)")
      }
      let waiting = Double(times.waiting.reduce(0, +)) / 1e9
      #expect(abs(outcome.steps.reduce(0) { $0 + $1.communication } - waiting) < 1e-6)
      #expect(outcome.steps.allSatisfy { $0.communication > 0 && $0.communication < $0.wall })
      // Both passes, and nothing of the score; what they took is a part of their phase.
      for (kind, phase) in [(StepKind.forwardPass, TrainingPhase.forward), (.backwardPass, .backward)] {
        let pass = outcome.account.kinds[kind.rawValue]
        #expect(pass.steps == 2 && pass.wall <= times.time[phase.rawValue])
        for part in [Phase.attention, .experts, .gate, .shared, .dispatch, .combine, .embedding] {
          #expect(pass.total(part) > 0, "\(kind) \(part)")
        }
      }
      #expect(outcome.account.kinds[StepKind.backwardPass.rawValue].total(.head) > 0)
      // A run of eight phases and its end, twice.
      let phases = [2, 5, 3, 4, 5, 6, 7, 8, 9, 12].map { UInt8($0) }
      #expect(times.spans.map(\.phase) == phases + phases)
    }
  }

  /// Two ranks of two sequences each: nothing is sent that need not be.
  @Test(arguments: ["deepseek_v3", "llama"])
  func atPowersOfTwoReductionsSendTheLeast(name: String) throws {
    let outcomes = try run(name, ranks: 2)
    let (sums, gathers) = (
      outcomes.reduce(0) { $0 + $1.account.reduction.sumBytes },
      outcomes.reduce(0) { $0 + $1.account.reduction.gatherBytes }
    )
    #expect(sums == outcomes[0].traffic.leastSumBytes && sums > 0)
    #expect(gathers == outcomes[0].traffic.leastGatherBytes && gathers > 0)
    #expect(outcomes[0].traffic == outcomes[1].traffic)
  }

  @Test func oneRankCommunicatesWithNobody() throws {
    let alone = try run("llama", ranks: 1)[0]
    #expect(alone.traffic == TrainingTraffic() && alone.account.reduction == ReductionTraffic())
    let passes = [StepKind.forwardPass, .backwardPass].map { alone.account.kinds[$0.rawValue] }
    #expect(passes.allSatisfy { $0.steps == 2 && $0.total(.dispatch) + $0.total(.combine) == 0 })
  }

  @Test func timesComeThroughJSONAndDamagedOnesAreRefusedOrHarmless() throws {
    let times = try run("llama", ranks: 1)[0].times
    let text = times.json.text()
    #expect(try TrainingTimes(json: try JSONValue(parsing: text)) == times)
    var refused = 0
    let bytes = Array(text.utf8)
    for (i, byte) in bytes.enumerated() where (48...57).contains(byte) || byte == 91 || byte == 123 {
      for replacement in ["-1", "99999999999999999999", "null", "[]", "7.5"] {
        let damaged = bytes[..<i] + Array(replacement.utf8) + bytes[(i + 1)...]
        guard let json = try? JSONValue(parsing: damaged) else { continue }
        do { _ = try TrainingTimes(json: json) } catch { refused += 1 }
      }
    }
    #expect(refused > 50)
  }
}
