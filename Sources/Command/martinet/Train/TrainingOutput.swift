import JSON
import MoEModel
import Pretraining
import Reports
import Training

/// What a training tells on rank 0's terminal, or as lines of JSON.
struct TrainingOutput {
  private let work: TrainingWork
  private let options: TrainingOptions
  private let data: TrainingData
  /// Of all ranks together, in operations a second.
  private let peak: Double
  private let json: Bool
  private let isRoot: Bool

  init(
    _ description: DecoderDescription, options: TrainingOptions, data: TrainingData, peak: Double, json: Bool,
    isRoot: Bool
  ) {
    work = TrainingWork(description, sequenceLength: options.sequenceLength)
    (self.options, self.data, self.peak) = (options, data, peak)
    (self.json, self.isRoot) = (json, isRoot)
  }

  func begin(ranks: Int, threads: Int) {
    guard isRoot, !json else { return }
    let million = { (count: Int) in Figures.decimals(Double(count) / 1e6, 2) + " M" }
    martinet.show(
      "\(million(work.parameterCount)) parameters, of which a token meets \(million(work.activeElements)); \(Figures.decimals(work.operations / 1e6, 1)) MFLOP a token"
    )
    martinet.show(
      "\(data.tokenCount) tokens of data in \(data.sequenceCount) sequences of \(data.sequenceLength); \(ranks) rank\(ranks == 1 ? "" : "s") of \(threads) thread\(threads == 1 ? "" : "s"), \(Figures.decimals(peak / 1e9, 0)) GFLOP/s in fp32"
    )
    martinet.show("    step      loss  gradient      rate  load  tokens/s    MFU")
  }

  func show(_ event: PretrainingEvent) {
    guard isRoot else { return }
    switch event {
    case .step(let report): show(report)
    case .heldOut(let step, let loss):
      if json {
        martinet.show((["step": .int(step), "held_out_loss": .double(loss)] as JSONValue).text())
      } else {
        martinet.show("\(Self.right("\(step)", 8))  held-out loss \(Figures.decimals(loss, 4))")
      }
    case .saved(let step, let path): if !json { martinet.show("\(Self.right("\(step)", 8))  saved as \(path)") }
    case .resumed(let step, let path): if !json { martinet.show("goes on after step \(step), from \(path)") }
    }
  }

  private func show(_ report: StepReport) {
    let result = report.result
    let utilization = work.utilization(tokensPerSecond: report.tokensPerSecond, peak: peak)
    guard !json else {
      let line: JSONValue = [
        "step": .int(report.number), "loss": .double(result.loss), "tokens": .int(report.tokens),
        "gradient_norm": .double(result.gradientNorm), "learning_rate": .double(report.learningRate),
        "load_max_over_mean": .double(result.loadMaxOverMean), "seconds": .double(report.seconds),
        "tokens_per_second": .double(report.tokensPerSecond), "mfu": .double(utilization),
      ]
      return martinet.show(line.text())
    }
    let cells = [
      (Self.right("\(report.number)", 8)), Self.right(Figures.decimals(result.loss, 4), 10),
      Self.right(Figures.decimals(result.gradientNorm, 3), 10), Self.right("\(Float(report.learningRate))", 10),
      Self.right(Figures.decimals(result.loadMaxOverMean, 2), 6),
      Self.right(Figures.decimals(report.tokensPerSecond, 0), 10),
      Self.right(Figures.decimals(100 * utilization, 1) + " %", 7),
    ]
    martinet.show(cells.joined())
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
