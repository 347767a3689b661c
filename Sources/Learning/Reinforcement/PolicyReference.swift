import Checkpoints
import DistributedTraining
import Fabric
import MoEModel
import Training

/// The model that a policy is held near: what the training began with, or, every so many steps, the policy as it was.
package final class PolicyReference {
  package let model: FrozenModel
  private let folder: String
  private let every: Int
  private let start: TrainedModel.Numbers
  private let communicator: any Communicator
  /// The step after which the policy was what the reference is.
  private var step: Int?

  /// `model` is held as the one in training is. `every`: steps; 0 for never. `folder`: where the training saves its
  /// steps. `start`: the numbers that it began with.
  package init(
    _ model: FrozenModel, every: Int, folder: String, on communicator: any Communicator,
    start: @escaping TrainedModel.Numbers
  ) {
    (self.model, self.every, self.folder, self.start) = (model, every, folder, start)
    self.communicator = communicator
  }

  /// Gets ready for step `number`, before it changes `policy`. Collective; fails on all ranks together.
  func prepare(forStep number: Int, _ policy: TrainedModel) throws {
    let wanted = every > 0 ? (number - 1) / every * every : 0
    guard step != wanted else { return }
    try agree(on: communicator) {
      if wanted == number - 1 {
        policy.copy(to: model.model)
      } else if wanted == 0 {
        try policy.fill(model.model, with: start)
      } else {
        let saved = try CheckpointFormat.open(TrainingFolder.modelPath(of: wanted, in: folder))
        let reader = try ParameterReader(model.description, checkpoint: saved)
        try policy.fill(model.model) { try reader.read($0.stored, from: 0, into: $1) }
      }
    }
    step = wanted
  }

  /// Throws where a training that takes a new reference after `every` steps, 0 for never, and is saved after
  /// `saveEvery` might not find it when it goes on.
  package static func check(every: Int, saveEvery: Int) throws(ReinforcementError) {
    guard every > 0 else { return }
    guard every % saveEvery == 0 else {
      throw .badSetting(
        "--reference-every", "\(every)",
        """
        a training that goes on reads its reference from a checkpoint: give a --save-every that divides it, such \
        as \(every)
        """
      )
    }
  }
}
