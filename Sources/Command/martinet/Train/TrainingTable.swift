import DistributedTraining
import Glibc
import MoEModel
import Reports

/// The table that a training fills: a line for every so many steps, and on a terminal one more below it that is written
/// anew with each step, so that nothing scrolls away.
///
/// Of a line's steps it tells the mean loss, gradient and speed, the held-out loss if there was one, and the last one's
/// load.
struct TrainingTable {
  /// Lines between two headers.
  private static let headerEvery = 40
  /// The step under way is not shown more often.
  private static let pause = Duration.milliseconds(100)

  private struct Column {
    let title: String
    let width: Int
    let text: (Line) -> String
  }

  /// What a line stands for.
  private struct Line {
    var steps = 0
    var step = 0
    var loss = 0.0
    var heldOutLoss: Double?
    var gradient = 0.0
    var rate = 0.0
    var tokens = 0
    var seconds = 0.0
    var communication = 0.0
    var load = 0.0
    var dead = 0
    /// Of reinforcement learning: sums over steps, and the last step's.
    var reward = 0.0
    var right = 0
    var completions = 0
    var sampled = 0
    var rolloutSeconds = 0.0
    var logRatio = 0.0
    var policy = PolicyReport()
    /// Of learning from a teacher, the last step's.
    var distillation = DistillationReport()
    var heldOut: HeldOutScore?
    var progress = TrainingWatch.Progress()

    mutating func add(_ report: StepReport, _ progress: TrainingWatch.Progress) {
      self.progress = progress
      step = report.number
      // Its numbers may be none.
      guard report.skipped == nil else { return }
      steps += 1
      loss += report.result.loss
      heldOutLoss = report.heldOutLoss ?? heldOutLoss
      heldOut = report.heldOut ?? heldOut
      if let policy = report.policy { add(policy) }
      if let distillation = report.distillation { add(distillation) }
      gradient += report.result.gradientNorm
      rate = report.learningRate
      tokens += report.result.predicted
      seconds += report.seconds
      communication += report.communication
      (load, dead) = (report.result.loadMaxOverMean, report.result.deadExpertCount)
    }

    private mutating func add(_ step: DistillationReport) {
      completions += step.completions
      sampled += step.sampledTokens
      rolloutSeconds += step.rolloutSeconds
      distillation = step
    }

    private mutating func add(_ step: PolicyReport) {
      reward += step.reward
      right += step.right
      completions += step.count
      sampled += step.sampledTokens
      rolloutSeconds += step.rolloutSeconds
      logRatio = max(logRatio, step.maxLogRatio)
      policy = step
    }

    func mean(_ sum: Double) -> Double { sum / Double(max(steps, 1)) }
    var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
  }

  private let every: Int
  private let columns: [Column]
  /// mpirun gives a rank a terminal of its own in front of whatever it writes to, but not for standard error.
  private let isTerminal = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1
  private var line = Line()
  private var rowCount = 0
  private var isDrawn = false
  private var drawn = ContinuousClock.now - Self.pause

  /// `every`: steps of a line. `showsCost`: where a node's price or power is known. `utilization`: of a peak, by so
  /// many tokens a second.
  init(
    _ description: DecoderDescription, ranks: Int, of material: any TrainingMaterial, every: Int, showsCost: Bool,
    utilization: @escaping (_ tokensPerSecond: Double) -> Double
  ) {
    self.every = every
    var columns =
      material.isPolicy
      ? Self.policyColumns
      : [
        Column(title: "step", width: 8) { "\($0.step)" },
        Column(title: "loss", width: 9) { Figures.decimals($0.mean($0.loss), 4) },
        Column(title: "held-out", width: 10) { line in line.heldOutLoss.map { Figures.decimals($0, 4) } ?? "" },
        Column(title: "gradient", width: 10) { Figures.decimals($0.mean($0.gradient), 3) },
        Column(title: "rate", width: 10) { Figures.scientific($0.rate) },
        Column(title: "tokens/s", width: 10) { Figures.decimals($0.tokensPerSecond, 0) },
        Column(title: "MFU", width: 8) { Figures.decimals(100 * utilization($0.tokensPerSecond), 1) + " %" },
      ]
    if material.isDistillation { columns.insert(contentsOf: Self.distillationColumns, at: 3) }
    if ranks > 1 {
      columns.append(
        Column(title: "comm", width: 8) {
          Figures.decimals($0.seconds > 0 ? 100 * $0.communication / $0.seconds : 0, 1) + " %"
        })
    }
    if description.moe != nil {
      columns += [
        Column(title: "load", width: 7) { Figures.decimals($0.load, 2) },
        Column(title: "dead", width: 6) { "\($0.dead)" },
      ]
    }
    columns.append(Column(title: "left", width: 14) { $0.progress.left })
    if showsCost { columns.append(Column(title: "cost, to come", width: 20) { $0.progress.cost }) }
    self.columns = columns
  }

  /// Of learning from a teacher, whose divergence is the loss.
  private static var distillationColumns: [Column] {
    [
      Column(title: "entropy", width: 9) { Figures.decimals($0.distillation.entropy, 3) },
      Column(title: "length", width: 8) { line in
        line.completions == 0 ? "" : Figures.decimals(Double(line.sampled) / Double(line.completions), 1)
      },
      Column(title: "sampled/s", width: 11) { line in
        line.rolloutSeconds == 0 ? "" : Figures.decimals(Double(line.sampled) / line.rolloutSeconds, 0)
      },
    ]
  }

  /// Of reinforcement learning.
  private static var policyColumns: [Column] {
    [
      Column(title: "step", width: 8) { "\($0.step)" },
      Column(title: "reward", width: 9) { Figures.decimals($0.mean($0.reward), 3) },
      Column(title: "right", width: 9) { line in
        Figures.decimals(100 * Double(line.right) / Double(max(1, line.completions)), 1) + " %"
      },
      Column(title: "held-out", width: 10) { line in
        guard case .accuracy(let right, let count, _)? = line.heldOut else { return "" }
        return Figures.decimals(100 * Double(right) / Double(max(1, count)), 1) + " %"
      },
      Column(title: "length", width: 8) { line in
        Figures.decimals(Double(line.sampled) / Double(max(1, line.completions)), 1)
      },
      Column(title: "entropy", width: 9) { Figures.decimals($0.policy.entropy, 3) },
      Column(title: "signal", width: 9) { "\($0.policy.signalGroups)/\($0.policy.groups)" },
      Column(title: "|log ratio|", width: 13) { $0.logRatio == 0 ? "0" : Figures.scientific($0.logRatio) },
      Column(title: "gradient", width: 10) { Figures.decimals($0.mean($0.gradient), 3) },
      Column(title: "rate", width: 10) { Figures.scientific($0.rate) },
      Column(title: "sampled/s", width: 11) { line in
        Figures.decimals(line.rolloutSeconds > 0 ? Double(line.sampled) / line.rolloutSeconds : 0, 0)
      },
      Column(title: "s/step", width: 8) { Figures.decimals($0.mean($0.seconds), 2) },
    ]
  }

  mutating func add(_ report: StepReport, _ progress: TrainingWatch.Progress, isLast: Bool) {
    line.add(report, progress)
    if isLast || report.heldOut != nil || report.number % every == 0 {
      end()
    } else if isTerminal, ContinuousClock.now - drawn >= Self.pause {
      show("\r\(row { $0.text(line) }.prefix(width))\u{1B}[K", terminator: "")
      (isDrawn, drawn) = (true, .now)
    }
  }

  /// Ends the line of the steps so far.
  mutating func end() {
    guard line.steps > 0 else { return }
    if rowCount % Self.headerEvery == 0 { write(row { $0.title }) }
    rowCount += 1
    write(row { $0.text(line) })
    line = Line()
  }

  /// A line of words between those of numbers.
  mutating func write(_ text: String) {
    show((isDrawn ? "\r\u{1B}[K" : "") + text)
    isDrawn = false
  }

  private func row(_ text: (Column) -> String) -> String {
    columns.map { column in
      let cell = text(column)
      return String(repeating: " ", count: max(1, column.width - cell.count)) + cell
    }.joined()
  }

  /// Characters of the terminal's line, but for the last, after which some begin another.
  private var width: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 79 }
    return Int(size.ws_col) - 1
  }

  /// Steps of a line where nobody says: so many that a training has some two hundred lines.
  static func every(ofSteps steps: Int) -> Int {
    var unit = 1
    while true {
      for factor in [1, 2, 5] where unit * factor * 200 >= steps { return unit * factor }
      guard unit <= steps / 200 else { return unit }
      unit *= 10
    }
  }
}
