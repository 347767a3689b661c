import ArgumentParser

/// How much memory experts may take more than once.
struct ReplicaOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory for replicas of experts that are visited often, in percent of what the mean rank's experts take.",
      valueName: "percent"))
  var replicaMemory = 0.0

  /// More than a rank of a model on two would need to hold all of it.
  static let limit = 0.0...10_000.0

  func validate() throws { try require("replica-memory", replicaMemory, in: Self.limit) }

  /// Of what the mean rank's experts take.
  var share: Double { replicaMemory / 100 }

  /// These options as another process takes them.
  var arguments: [String] { replicaMemory > 0 ? ["--replica-memory", "\(replicaMemory)"] : [] }
}
