import ArgumentParser

/// `martinet bench`: measurements, each beside this machine's limit in the same run.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure, beside this machine's limits measured in the same run.",
    subcommands: [
      BenchGenerate.self, BenchServe.self, BenchSchemas.self, BenchKernels.self, BenchAttention.self,
      BenchGradients.self,
      BenchDispatch.self,
      BenchSweep.self,
      BenchMakeCheckpoint.self,
    ])
}
