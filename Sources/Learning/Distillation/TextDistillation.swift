import Fabric
import JSON
import Pretraining
import Training

/// Learning from a teacher what follows each token of text that there is.
package final class TextDistillation: TrainingSource {
  private let text: TextSource
  private let loss: DivergenceLoss
  private let sequenceLength: Int
  private let communicator: any Communicator
  package let recipe: JSONValue
  package private(set) var lastDistillation: DistillationReport?

  /// `recipe`: of `DistillationSettings`. Collective.
  package init(
    _ data: TrainingData, heldOut: TrainingData?, batch: BatchRamp, loss: DivergenceLoss, recipe: JSONValue,
    on communicator: any Communicator
  ) throws {
    (self.loss, self.communicator, sequenceLength) = (loss, communicator, data.sequenceLength)
    self.recipe = ["distillation": recipe]
    text = try TextSource(data, heldOut: heldOut, batch: batch, loss: loss, on: communicator)
  }

  package var fingerprint: [UInt8] { text.fingerprint }

  package func placeCount(ofStep number: Int) -> Int { text.placeCount(ofStep: number) }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    let result = try text.takeStep(number, position: position, on: trainer, settings: settings, accepted: accepted)
    let own = trainer.ownLeaves(count: text.placeCount(ofStep: number))
    var report = DistillationReport()
    report.note(
      try .total(loss.findings(rowsByLeaf: own.map { _ in sequenceLength }), over: communicator))
    report.teacherSeconds = loss.teacherTime / .seconds(1)
    lastDistillation = report
    return result
  }

  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String {
    try text.words(for: fault, ofStep: number, position: position, on: trainer, settings: settings)
  }

  package func score(on trainer: Trainer) throws -> HeldOutScore? { try text.score(on: trainer) }
}
