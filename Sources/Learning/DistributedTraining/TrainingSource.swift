import JSON

/// What a training learns from: it takes the steps, whatever they consist of. The same on every rank, and collective.
package protocol TrainingSource: AnyObject {
  /// A digest of all that steps read: a training goes on with the same only.
  var fingerprint: [UInt8] { get }
  /// What beside `TrainingSettings.recipe` decides about the training's numbers; an object.
  var recipe: JSONValue { get }
  /// How much a rank's part of a step may be; nil for as many sequences as the settings say.
  var capacity: StepCapacity? { get }

  /// How many places of the data a step takes; asked when it has been taken.
  func placeCount(ofStep number: Int) -> Int

  /// Takes step `number`, whose data begin at `position`; one that is not `accepted` leaves the model as it is.
  func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult

  /// What became of the last step, where there is more to tell than the trainer knows.
  var lastStep: PolicyReport? { get }
  var lastDistillation: DistillationReport? { get }

  /// A fault of the step that was taken last, in words that say where it comes from.
  func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String

  /// What held-out data say of the model; nil without such.
  func score(on trainer: Trainer) throws -> HeldOutScore?
}

/// The training was told to stop in the middle of a step that has changed nothing yet.
package struct StepInterrupted: Error, CustomStringConvertible {
  package init() {}
  package var description: String { "told to stop in the middle of a step" }
}

extension TrainingSource {
  package var recipe: JSONValue { .object(JSONObject()) }
  package var capacity: StepCapacity? { nil }
  package var lastStep: PolicyReport? { nil }
  package var lastDistillation: DistillationReport? { nil }

  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String { "\(fault.words), in the sum of the whole step" }
}

/// What held-out data say of a model.
package enum HeldOutScore: Sendable, Equatable {
  /// Mean −log p of their tokens.
  case loss(Double)
  /// Answers that are right, of so many.
  case accuracy(right: Int, count: Int, meanLength: Double)
}
