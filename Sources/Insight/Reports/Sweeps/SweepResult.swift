import Telemetry

/// One run of a sweep, and what its report says.
package struct SweepResult: Sendable {
  package var ranks: Int
  /// Of each layer and rank; nil where every run has the same model.
  package var expertsPerRank: Int?
  /// Sequences in all.
  package var batch: Int
  /// Whether the batch grows with the ranks.
  package var isWeak: Bool
  package var promptLength: Int
  /// Of the sums between ranks.
  package var combineFormat: String
  package var report: RunReport

  package init(
    ranks: Int, expertsPerRank: Int?, batch: Int, isWeak: Bool, promptLength: Int, combineFormat: String = "f32",
    report: RunReport
  ) {
    (self.ranks, self.expertsPerRank, self.batch, self.isWeak) = (ranks, expertsPerRank, batch, isWeak)
    (self.promptLength, self.combineFormat, self.report) = (promptLength, combineFormat, report)
  }

  /// Runs that differ in ranks only, or in what grows with them.
  package var series: String {
    let size = isWeak ? "\(batch / max(ranks, 1)) sequences a rank" : Figures.count(batch, "sequence")
    let experts = expertsPerRank.map { ", \($0) experts a layer on each rank" } ?? ""
    return "\(size), prompts of \(promptLength)\(experts)\(combineFormat == "f32" ? "" : ", sums in \(combineFormat)")"
  }

  package func figures(_ kind: StepKind) -> KindFigures { report.figures(kind) }

  /// Greatest over mean visits, averaged over layers.
  package func imbalance(_ kind: StepKind) -> Double {
    let layers =
      report.account.ranks.first.map {
        $0.kinds[kind.rawValue].visits.indices.filter { layer in
          report.account.ranks.contains { $0.kinds[kind.rawValue].visits[layer] > 0 }
        }
      } ?? []
    let ratios = layers.map { layer in
      let visits = report.account.ranks.map { Double($0.kinds[kind.rawValue].visits[layer]) }
      return (visits.max() ?? 0) / (visits.reduce(0, +) / Double(visits.count))
    }
    return ratios.isEmpty ? 1 : ratios.reduce(0, +) / Double(ratios.count)
  }

  /// Tokens a second of the slowest and the fastest repetition; nil where they were not told.
  package func spread(_ kind: StepKind) -> ClosedRange<Double>? {
    let rates = report.rates[kind.rawValue]
    guard let least = rates.min(), let most = rates.max() else { return nil }
    return least...most
  }

  /// Threads of a rank: of the one with most.
  package var threads: Int { report.account.ranks.map(\.threads).max() ?? 0 }

  /// What takes the largest part of a step, and its share; without a share where ranks take turns on cores, as then
  /// each phase also holds the turns of others, and what they would take on cores of their own cannot be told.
  package func limit(_ kind: StepKind) -> (name: String, share: Double?) {
    if report.sharesCores { return ("cores that ranks share", nil) }
    let figures = figures(kind)
    let experts = figures.share(.experts)
    let other = Phase.allCases.filter { !$0.isCommunication && $0 != .experts }.reduce(0) { $0 + figures.share($1) }
    let parts = [
      ("the experts' own work", experts),
      ("work that is not divided among ranks: attention, shared experts, head", other),
      ("communication", figures.exposedShare), ("waiting for the rank with most to do", figures.waitingShare),
    ]
    let most = parts.max { $0.1 < $1.1 } ?? parts[0]
    return (most.0, most.1)
  }
}
