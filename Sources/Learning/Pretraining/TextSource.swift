import Backpropagation
import Fabric
import Training

/// Text as it is: sequences of tokens in the order of the data, each of which predicts the next ones.
package final class TextSource: TrainingSource {
  private let data: TrainingData
  private let heldOut: TrainingData?
  private let batch: BatchRamp
  private let loss: (any RowLoss)?

  /// `loss`: another than −log p of the next token. Throws where ranks see other held-out data. Collective.
  package init(
    _ data: TrainingData, heldOut: TrainingData?, batch: BatchRamp, loss: (any RowLoss)? = nil,
    on communicator: any Communicator
  ) throws {
    (self.data, self.heldOut, self.batch, self.loss) = (data, heldOut, batch, loss)
    if let heldOut { try Pretraining.compare(heldOut.fingerprint, on: communicator) }
  }

  package var fingerprint: [UInt8] { data.fingerprint }

  package func placeCount(ofStep number: Int) -> Int { batch.sequenceCount(ofStep: number) }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    try trainer.step(
      number, sequenceCount: placeCount(ofStep: number), settings: settings, loss: loss, accepted: accepted
    ) { leaf, buffer in try data.read(position: position + leaf, into: buffer) }
  }

  /// What no sequence is known for is looked for: the step's sequences are computed one by one.
  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String {
    let count = placeCount(ofStep: number)
    var sequence: Int?
    switch fault {
    case .spike: return fault.words
    case .loss(let known, _): sequence = known
    case .gradient:
      for leaf in 0..<count where sequence == nil {
        let alone = try trainer.step(
          number, sequenceCount: 1, settings: settings, loss: loss, accepted: { _ in false },
          sequence: { _, buffer in try data.read(position: position + leaf, into: buffer) })
        if alone.fault != nil { sequence = leaf }
      }
    }
    guard let sequence else { return "\(fault.words), in the sum of all \(count) sequences" }
    return "\(fault.words), in sequence \(sequence) of the step (\(data.origin(position: position + sequence)))"
  }

  package func score(on trainer: Trainer) throws -> HeldOutScore? {
    guard let heldOut else { return nil }
    let (loss, predicted) = try trainer.score(sequenceCount: heldOut.sequenceCount) {
      try heldOut.read(sequence: $0, into: $1)
    }
    return .loss(loss / Double(max(predicted, 1)))
  }
}
