import Fabric
import Foundation
import JSON
import Tensors
import TestSupport
import Testing
import Training

@testable import DistributedTraining

/// Steps that must not change anything, and numbers that must not be saved.
struct BadStepTests {
  private let folder = TemporaryFolder()

  private func training(_ out: String) throws -> TinyTextTraining {
    var training = try TinyTextTraining(in: folder)
    (training.out, training.steps, training.saveEvery) = (out, 16, 8)
    // So slow that losses go up and down with the data.
    training.rate = 1e-5
    return training
  }

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
  }

  /// With a factor just above 1 some steps are spikes: skipped, they are the same ones on any ranks, stopped or not.
  @Test func skippedStepsAreTheSameAnywhere() throws {
    var whole = try training("whole")
    (whole.badSteps.action, whole.badSteps.spikeFactor, whole.badSteps.mostInRow) = (.skip, 1.0001, 100)
    let told = try whole.run()
    let skipped = told.steps.indices.filter { told.steps[$0].contains("median") }
    #expect(skipped.count > 1 && skipped.allSatisfy { $0 >= StepWatch.least }, "\(skipped)")
    let digests = try whole.digests().filter { $0.key.contains("-000016/") }
    var spread = whole
    (spread.out, spread.ranks) = ("spread", 3)
    #expect(try spread.run() == told && spread.digests().filter { $0.key.contains("-000016/") } == digests)
    var part = whole
    (part.out, part.ranks, part.stopAfter) = ("part", 2, (skipped.first ?? 8) + 1)
    #expect(try part.run().steps == Array(told.steps.prefix((skipped.first ?? 8) + 1)))
    (part.ranks, part.stopAfter, part.resumes) = (1, nil, true)
    #expect(try part.run().steps == Array(told.steps.dropFirst((skipped.first ?? 8) + 1)))
    #expect(try part.digests().filter { $0.key.contains("-000016/") } == digests)
  }

  @Test func aSpikeEndsATrainingThatIsToldSo() throws {
    var training = try training("out")
    training.badSteps.spikeFactor = 1.0001
    let text = message { try training.run() }
    #expect(text.contains("the median of the last steps") && text.contains("--on-bad-step skip"), "\(text)")
    // Whose it is: three of the step's sequences, the worst first.
    let values = text.matches(of: /sequence \d+ with ([0-9.]+) \("[^"]*data\.jsonl", document/).map { Float($0.1) ?? 0 }
    #expect(values.count == 3 && values == values.sorted(by: >) && values[2] > 0, "\(text)")
  }

  /// A rate that sends the weights away: the next step's loss is none, and layer, sequence and documents are named. The
  /// checkpoint under way then is ended.
  @Test(arguments: [1, 3]) func aLossThatIsNoNumberIsTold(ranks: Int) throws {
    var training = try training("out-\(ranks)")
    (training.rate, training.ranks, training.saveEvery, training.checkpoints) = (1e15, ranks, 1, .background)
    let text = message { try training.run() }
    #expect(text.contains("step 2: ") && text.contains("is no finite number"), "\(text)")
    #expect(text.contains("sequence") && text.contains("data.jsonl") && text.contains("document"), "\(text)")
    #expect(TrainingFolder.latestStep(in: training.outPath) == 1)
    training.badSteps.action = .skip
    (training.badSteps.mostInRow, training.resumes) = (3, true)
    let skipped = message { try training.run() }
    #expect(skipped.contains("step 5 would be skipped, too, after 3 in a row"), "\(skipped)")
  }

  /// Numbers that an update made infinite are neither gone on with nor saved, also after the last step.
  @Test(arguments: [1, 4]) func whatIsNotFiniteIsNeverSaved(steps: Int) throws {
    var training = try training("out-\(steps)")
    (training.rate, training.steps, training.saveEvery) = (1e39, steps, 1)
    let text = message { try training.run() }
    #expect(text.contains("after step 1, the weights of model.") && text.contains("not saved"), "\(text)")
    #expect(TrainingFolder.latestStep(in: training.outPath) == nil)
  }

  @Test func aSkippedStepChangesNothing() throws {
    let kept = TinyTraining("deepseek_v3")
    try LocalFabric.run(size: 2) { communicator in
      let trainer = try kept.trainer(communicator)
      func numbers() -> [[UInt32]] {
        trainer.model.parameters.flatMap { parameter in
          parameter.rule.parts.map { part in
            parameter.numbers(part).buffer[..<parameter.own.count].map(\.bitPattern)
          } + [parameter.values.buffer.map(\.bitPattern)]
        }
      }
      _ = try kept.step(1, trainer, rate: 3e-3)
      let before = numbers()
      let result = try kept.step(
        2, trainer, kept.settings(3e-3), accepted: { _ in false },
        leaf: { kept.read($0, vocabulary: 90, into: &$1) })
      #expect(result.fault == nil && numbers() == before)
      _ = try kept.step(3, trainer, rate: 3e-3)
      #expect(numbers() != before)
    }
  }

  @Test func whatIsRememberedComesBack() throws {
    var watch = StepWatch()
    for number in 1...40 {
      watch.noteGood(
        StepResult(
          loss: 1 / Double(number), predictionLoss: nil, balanceLoss: 0, predicted: 1,
          gradientNorm: 0.1 * Double(number), loads: [:],
          fault: nil))
    }
    watch.noteSkipped()
    let back = try #require(StepWatch(json: watch.json))
    #expect(back.losses == watch.losses && back.losses.count == StepWatch.window && back.skippedInRow == 1)
    #expect(StepWatch(json: .null)?.losses.isEmpty == true)
    for damaged in ["{}", "{\"losses\":[1],\"gradient_norms\":[],\"skipped\":0,\"skipped_in_row\":0}", "[]"] {
      #expect(StepWatch(json: try .init(parsing: Array(damaged.utf8))) == nil)
    }
  }
}
