import ArgumentParser
import Benchmarking
import Reports

/// `martinet bench make-checkpoint`: a model of random weights, to measure speed with.
struct BenchMakeCheckpoint: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make-checkpoint", abstract: "Write a checkpoint of random weights, in the published layout.",
    discussion: """
      Its text is noise, but its speed is that of a trained model of the shape: activations keep their size and all
      experts are chosen about equally often. The named shapes have about four billion parameters each.
        martinet bench make-checkpoint --shape qwen3-moe-small OUT
        martinet bench make-checkpoint --shape DeepSeek-V2-Lite/config.json OUT
      """)

  @Option(
    help: ArgumentHelp(
      "\(CheckpointShape.names.joined(separator: ", ")), or a config.json of any family supported.",
      valueName: "name|file.json"))
  var shape: String
  @Argument(help: "The folder to write, which must not exist or be empty.") var out: String
  @Option(help: "How weights are stored: bf16 or f32.") var weights = CheckpointWeights.bf16
  @Option(help: "Which random weights.") var seed: UInt64 = 0
  @OptionGroup var workers: WorkerOptions

  func run() throws {
    try workers.run { pool in
      let maker = CheckpointMaker(
        shape: try CheckpointShape(shape, weights: weights), weights: weights, seed: seed, folder: out)
      let start = ContinuousClock.now
      let (parameters, bytes) = try maker.make(pool: pool)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      say(
        """
        martinet: \(Figures.decimals(Double(parameters) / 1e9, 2)) billion parameters, \(Figures.size(bytes)), \
        written at \(Figures.decimals(Double(bytes) / seconds / 1e9, 2)) GB/s
        """
      )
    }
  }
}

extension CheckpointWeights: ExpressibleByArgument {}
