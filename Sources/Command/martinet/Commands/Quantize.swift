import ArgumentParser
import Checkpoints
import MoEModel
import Reports

/// `martinet quantize`: a checkpoint's folder with its weights in q8 or q4, to be loaded at disk speed.
struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint anew with its weights in q8 or q4.",
    discussion: """
      martinet quantize DeepSeek-V2-Lite DeepSeek-V2-Lite-q8 --weights q8
      Loading the new folder gives the same results, bit for bit, as loading the old one with --weights q8, without \
      the arithmetic. Routers, norms and biases stay as they are; so do parts of latent attention that are quantised \
      on loading.
      """)

  @Argument(help: "The checkpoint's folder.") var folder: String
  @Argument(help: "The folder to write, which must not exist or be empty.") var out: String
  @Option(help: "q8 or q4.") var weights: WeightPrecision
  @Option(help: "Write routers, norms and biases in another format than they are stored in: f32.")
  var keepRouterAndNorms: WeightPrecision?
  @OptionGroup var workers: WorkerOptions

  func validate() throws {
    guard weights.isQuantized else { throw ValidationError("--weights \(weights.rawValue) is neither q8 nor q4") }
    if let keepRouterAndNorms, keepRouterAndNorms != .f32 {
      throw ValidationError("--keep-router-and-norms \(keepRouterAndNorms.rawValue) is not f32")
    }
  }

  func run() throws {
    try workers.run { pool in
      let checkpoint = try CheckpointFormat.open(try ModelLocation.resolve(folder))
      let description = try ModelConfiguration.read(checkpoint)
      let plan = try QuantizationPlan(
        description, checkpoint: checkpoint, to: weights, widensOthers: keepRouterAndNorms == .f32)
      if plan.unusedCount > 0 {
        say("martinet: \(Figures.count(plan.unusedCount, "tensor")) that the model makes no use of left out")
      }
      var bar = ProgressBar("quantising")
      let start = ContinuousClock.now
      do {
        try QuantizedCheckpoint(plan, checkpoint: checkpoint, precision: weights).write(to: out, pool: pool) {
          bar.show(bytes: $0, of: plan.readByteCount)
        }
      } catch {
        bar.finish()
        throw error
      }
      bar.finish()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      say(
        """
        martinet: \(Figures.size(plan.readByteCount)) read and \(Figures.size(plan.byteCount)) written in \
        \(Figures.decimals(seconds, 1)) s
        """
      )
    }
  }
}
