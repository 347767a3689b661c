import DistributedTraining
import Fabric
import JSON
import Training

/// Learning from a teacher what follows each token of text that there is.
package final class TextDistillation: TrainingSource {
  private let text: TextSource
  private let loss: DivergenceLoss
  private let communicator: any Communicator
  package let recipe: JSONValue
  package private(set) var lastDistillation: DistillationReport?

  /// `recipe`: of `DistillationSettings`. Collective.
  package init(
    _ data: TrainingData, heldOut: TrainingData?, batch: BatchRamp, loss: DivergenceLoss, recipe: JSONValue,
    on communicator: any Communicator
  ) throws {
    (self.loss, self.communicator) = (loss, communicator)
    self.recipe = ["distillation": recipe]
    text = try TextSource(data, heldOut: heldOut, batch: batch, loss: loss, on: communicator)
  }

  package var fingerprint: [UInt8] { text.fingerprint }
  package var capacity: StepCapacity? { text.capacity }

  package func placeCount(ofStep number: Int) -> Int { text.placeCount(ofStep: number) }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    let result = try text.takeStep(number, position: position, on: trainer, settings: settings, accepted: accepted)
    let rowsByLeaf = text.rowsByLeaf(ofStep: number, position: position)
    let own = trainer.ownLeaves(count: rowsByLeaf.count)
    var report = DistillationReport()
    report.note(try .total(loss.findings(rowsByLeaf: rowsByLeaf[own]), over: communicator))
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
