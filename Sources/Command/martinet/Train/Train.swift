import ArgumentParser

/// `martinet train`: making models.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model; alone or under mpirun, with the same weights.", subcommands: commands)

  static let commands: [any TrainingCommand.Type] = [
    TrainPretrain.self, TrainSFT.self, TrainGRPO.self, TrainDistill.self,
  ]
}
