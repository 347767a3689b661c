import JSON
import Telemetry

/// Looks at what comes of each step, before it changes anything: the same on every rank, on any number of ranks,
/// stopped and resumed or not.
struct StepWatch {
  /// Steps whose median counts, and how many there must be.
  static let window = 32
  static let least = 8

  /// Of the last steps that were not skipped.
  private(set) var losses: [Double] = []
  private(set) var gradientNorms: [Double] = []
  /// Since the training began, and in a row.
  private(set) var skipped = 0
  private(set) var skippedInRow = 0

  init() {}

  /// What makes a step a bad one; nil for a good one.
  func fault(of result: StepResult, _ policy: BadStepPolicy) -> StepFault? {
    if let fault = result.fault { return fault }
    guard policy.spikeFactor > 0, losses.count >= Self.least else { return nil }
    let measures: [(StepFault.Measure, Double, [Double])] = [
      (.loss, result.loss, losses), (.gradientNorm, result.gradientNorm, gradientNorms),
    ]
    for (what, value, before) in measures {
      guard let median = before.median else { continue }
      if value > policy.spikeFactor * median { return .spike(what: what, value: value, median: median) }
    }
    return nil
  }

  mutating func noteGood(_ result: StepResult) {
    losses.append(result.loss)
    gradientNorms.append(result.gradientNorm)
    if losses.count > Self.window {
      losses.removeFirst()
      gradientNorms.removeFirst()
    }
    skippedInRow = 0
  }

  mutating func noteSkipped() {
    skipped += 1
    skippedInRow += 1
  }

  // MARK: In checkpoints

  var json: JSONValue {
    [
      "losses": .array(losses.map { .double($0) }), "gradient_norms": .array(gradientNorms.map { .double($0) }),
      "skipped": .int(skipped), "skipped_in_row": .int(skippedInRow),
    ]
  }

  /// Reads what `json` wrote; nil for anything else. A checkpoint of a program that wrote nothing of it begins anew.
  init?(json: JSONValue) {
    if json.isNull { return }
    guard let losses = json["losses"]?.array?.compactMap(\.double), losses.count <= Self.window,
      let norms = json["gradient_norms"]?.array?.compactMap(\.double), norms.count == losses.count,
      let skipped = json["skipped"]?.exactInt, let inRow = json["skipped_in_row"]?.exactInt,
      inRow >= 0, skipped >= inRow, losses.allSatisfy(\.isFinite), norms.allSatisfy(\.isFinite)
    else { return nil }
    (self.losses, gradientNorms, self.skipped, skippedInRow) = (losses, norms, skipped, inRow)
  }
}
