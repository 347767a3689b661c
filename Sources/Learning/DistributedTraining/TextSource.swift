import Backpropagation
import Fabric
import Training

/// Text as it is: sequences of tokens in the order of the data, each of which predicts the next ones.
package final class TextSource: TrainingSource {
  private let data: TrainingData
  private let heldOut: TrainingData?
  private let batch: BatchRamp
  private let loss: (any RowLoss)?
  package let capacity: StepCapacity?

  /// `loss`: another than −log p of the next token. Throws where ranks see other held-out data. Collective.
  package init(
    _ data: TrainingData, heldOut: TrainingData?, batch: BatchRamp, loss: (any RowLoss)? = nil,
    on communicator: any Communicator
  ) throws {
    (self.data, self.heldOut, self.batch, self.loss) = (data, heldOut, batch, loss)
    capacity = Self.capacity(data, heldOut: heldOut, batch: batch, ranks: communicator.size)
    if let heldOut { try TrainingLoop.compare(heldOut.fingerprint, on: communicator) }
  }

  /// Of a rank, in a step or a part of the held-out data.
  package static func capacity(
    _ data: TrainingData, heldOut: TrainingData?, batch: BatchRamp, ranks: Int
  ) -> StepCapacity {
    let own = (batch.last + ranks - 1) / ranks
    return StepCapacity(rows: own * data.sequenceLength, sequences: own * max(data.mostApart, heldOut?.mostApart ?? 1))
  }

  package var fingerprint: [UInt8] { data.fingerprint }

  /// Rows of each leaf of a step.
  package func rowsByLeaf(ofStep number: Int, position: Int) -> [Int] {
    (0..<placeCount(ofStep: number)).map { data.rowCount(position: position + $0) }
  }

  package func placeCount(ofStep number: Int) -> Int { batch.sequenceCount(ofStep: number) }

  package func takeStep(
    _ number: Int, position: Int, on trainer: Trainer, settings: StepSettings, accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    try takeStep(
      number, rowsByLeaf: rowsByLeaf(ofStep: number, position: position), position, trainer, settings, accepted)
  }

  private func takeStep(
    _ number: Int, rowsByLeaf: [Int], _ position: Int, _ trainer: Trainer, _ settings: StepSettings,
    _ accepted: (StepResult) -> Bool
  ) throws -> StepResult {
    try trainer.timed {
      try trainer.update(
        number, rowsByLeaf: rowsByLeaf, loss: loss ?? CrossEntropyLoss(zLoss: settings.headZLoss), settings: settings,
        accepted: accepted,
        leaf: { leaf, rows in
          for piece in try data.pieces(position: position + leaf) {
            rows.append(piece.tokens, predicted: piece.predicted)
          }
        })
    }
  }

  /// Sequences of a spike that are named.
  private static let mostNamed = 3

  /// What no sequence is known for is looked for: the step's sequences are computed one by one.
  package func words(
    for fault: StepFault, ofStep number: Int, position: Int, on trainer: Trainer, settings: StepSettings
  ) throws -> String {
    let count = placeCount(ofStep: number)
    func alone(_ leaf: Int) throws -> StepResult {
      try takeStep(
        number, rowsByLeaf: [data.rowCount(position: position + leaf)], position + leaf, trainer, settings,
        { _ in false })
    }
    var sequence: Int?
    switch fault {
    case .spike(let what, _, _):
      let values = try (0..<count).map {
        let result = try alone($0)
        return what == .loss ? result.loss : result.gradientNorm
      }
      // Of equal ones the first.
      let worst = values.indices.sorted { (-values[$0], $0) < (-values[$1], $1) }.prefix(Self.mostNamed)
      let named = worst.map {
        "sequence \($0) with \(Float(values[$0])) (\(data.origin(position: position + $0)))"
      }
      return "\(fault.words); the most of the step's \(count) sequences by itself: \(named.joined(separator: ", "))"
    case .loss(let known, _): sequence = known
    case .gradient: sequence = try (0..<count).first { try alone($0).fault != nil }
    }
    guard let sequence else { return "\(fault.words), in the sum of all \(count) sequences" }
    return "\(fault.words), in sequence \(sequence) of the step (\(data.origin(position: position + sequence)))"
  }

  package func score(on trainer: Trainer) throws -> HeldOutScore? {
    guard let heldOut else { return nil }
    let (loss, predicted) = try trainer.score(
      leafCount: heldOut.sequenceCount, rows: { heldOut.rowCount(sequence: $0) },
      leaf: { leaf, rows in
        for piece in try heldOut.pieces(sequence: leaf) { rows.append(piece.tokens, predicted: piece.predicted) }
      })
    return .loss(loss / Double(max(predicted, 1)))
  }
}
