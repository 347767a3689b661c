import Checkpoints
import Fabric
import Machine

extension WeightAgreement {
  /// What a run compares before it loads, without one: files and samples of their contents, and all contents where
  /// `readsAll`. Returns what was compared; throws on all ranks what differs. Collective.
  package static func check(
    _ checkpoint: any Checkpoint, communicator: any Communicator, pool: WorkerPool, readsAll: Bool
  ) throws -> String {
    let agreement = try WeightAgreement(checkpoint, communicator: communicator)
    try agreement.compareFiles()
    try agreement.compareSamples(pool: pool)
    return readsAll
      ? try agreement.compareAll(pool: pool) : "configuration, headers and samples of the contents compared"
  }
}
